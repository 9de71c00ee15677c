import { describe, expect, it } from 'vitest';
import { compileFilter } from '../../../src/core/filter/filter.js';
import { compileSequence, type EventSequence } from '../../../src/core/filter/sequence.js';
import { FrameReader } from '../../../src/core/json/frame.js';

const SECOND = 1_000_000;

/** Gives events to a sequence, one a second, and returns those that it keeps, by their number. */
function kept(sequence: EventSequence, events: readonly object[], endpoint = 'rules'): number[] {
  const reader = new FrameReader();
  return events.flatMap((event, at) => {
    reader.read(Buffer.from(JSON.stringify(event)));
    return sequence.matches(reader, endpoint, { receivedAt: at * SECOND }) ? [at] : [];
  });
}

const start = (id: unknown) => ({ type: 'rule.execution_start', subject: 's', data: { execution_id: id } });
const complete = (id: unknown) => ({ type: 'rule.execution_complete', data: { execution_id: id } });
const SAME = 'event.type == "rule.execution_complete" && data.execution_id == first.data.execution_id';

describe('a sequence of events', () => {
  it('is one event that the filters keep, when there is no --then', async () => {
    const sequence = await compileSequence({ types: ['rule.execution_complete'] });
    expect(kept(sequence, [start(1), complete(1), complete(2)])).toEqual([1]);
    expect([sequence.isDone, sequence.found, sequence.length]).toEqual([true, 1, 1]);
  });

  it('is any event without filters', async () => {
    expect(kept(await compileSequence({}), [{}, {}])).toEqual([0]);
  });

  it('goes on with events to which the filters do not apply', async () => {
    const sequence = await compileSequence(
      { types: ['rule.execution_start'], where: ['data.execution_id > 1'] },
      [SAME],
    );
    expect(kept(sequence, [start(1), start(2), complete(1), start(3), complete(2), complete(2)])).toEqual([
      1, 4,
    ]);
  });

  it('shows each step the first event and the one before', async () => {
    const steps = [
      'data.n == first.data.n + 1',
      'data.n == first.data.n + 2 && data.n == previous.data.n + 1',
    ];
    const sequence = await compileSequence({}, steps);
    expect(
      kept(
        sequence,
        [3, 5, 4, 4, 5].map((n) => ({ data: { n } })),
      ),
    ).toEqual([0, 2, 4]);
  });

  it.each([
    'first.type == "rule.execution_start" && first.subject == "s"',
    'first.endpoint == endpoint',
    'first.severity == "normal"',
    'received_at - first.received_at == duration("2s") && previous.received_at < received_at',
    'data == first.data',
    'has(first.data.execution_id) && !has(first.data.other)',
  ])('has the members of an earlier event: %s', async (then) => {
    const sequence = await compileSequence({}, [`event.type == "last" && ${then}`]);
    expect(kept(sequence, [start(1), complete(1), { ...start(1), type: 'last' }])).toEqual([0, 2]);
  });

  it('has members of its own in place of those of the server with the same names', async () => {
    const sequence = await compileSequence({}, [
      'first.endpoint == "rules" && first.received_at < received_at',
    ]);
    expect(kept(sequence, [{ endpoint: 'x', received_at: 'y' }, {}])).toEqual([0, 1]);
  });

  it.each(['constructor', '__proto__'])('reads an earlier event with a member %s', async (name) => {
    const sequence = await compileSequence({}, [
      'data.id == first.data.id && received_at > first.received_at',
    ]);
    const event = JSON.parse(`{"${name}": 1, "data": {"id": 7, "${name}": {"x": 1}}}`) as object;
    expect(kept(sequence, [event, { data: { id: 8 } }, { data: { id: 7 } }])).toEqual([0, 2]);
  });

  it('does not match against an earlier event that is nested too deep, but knows its type', async () => {
    const deep = JSON.parse(`{"type":"a","data":${'{"x":'.repeat(80)}1${'}'.repeat(80)}}`) as object;
    const byData = await compileSequence({ types: ['a'] }, ['has(first.data.x) || first.data.x == 1']);
    expect(kept(byData, [deep, deep, {}])).toEqual([0]);
    const byType = await compileSequence({ types: ['a'] }, ['event.type == "b" && first.type == "a"']);
    expect(kept(byType, [deep, { type: 'b' }])).toEqual([0, 1]);
  });

  it('spends no time on long lists of an earlier event in macros inside macros', async () => {
    const long = { type: 'a', data: { list: Array.from({ length: 2000 }, (_, i) => i) } };
    const then = 'first.data.list.all(x, first.data.list.exists(y, x == y))';
    const sequence = await compileSequence({ types: ['a'] }, [then]);
    expect(kept(sequence, [long, {}])).toEqual([0]);
    expect(sequence.report().reasons).toEqual([
      'the lists of the event are too long for a macro inside a macro',
    ]);
  });

  it('keeps nothing before it is opened', async () => {
    const sequence = await compileSequence({}, ['true']);
    sequence.isOpen = false;
    expect(kept(sequence, [{}, {}])).toEqual([]);
    sequence.isOpen = true;
    expect(kept(sequence, [{}])).toEqual([0]);
  });

  it('reports about the step that it waits for, with the fields that no event had', async () => {
    const sequence = await compileSequence({}, [
      'data.id == first.data.idd && data.x == previous.y && data.cpu > 1',
    ]);
    kept(sequence, [start(1), { type: 'b', data: { id: 1, x: 1, cpu: 'text' } }]);
    expect(sequence.report()).toMatchObject({
      found: 1,
      judged: 1,
      matching: 0,
      types: ['b'],
      missing: ['first.data.idd', 'previous.y'],
    });
  });

  it.each([
    ['frist.data.id == data.id', /^`then`: unknown variable: frist/, /^Did you mean first\?$/m],
    ['nothing.like == 1', /^`then`: unknown variable/, /names are event, data, .*, first, previous\./],
    ['data.id', undefined, undefined],
    ['data.id +', /^`then`: /, /\^/],
    ['data.id + 1', /^`then`: the result is a number or text/, /Compare it/],
    ['first', undefined, undefined],
    ['"a"', /^`then`: the result is of type string/, /Compare it/],
    ['x'.repeat(10_001), /^`then`: an expression may have 10000 characters/, undefined],
  ])('checks %s before anything connects', async (then, message, hint) => {
    const compiled = compileSequence({}, [then]);
    if (message === undefined) return expect(await compiled).toMatchObject({ length: 2 });
    const error = await compiled.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'USAGE', message: expect.stringMatching(message) });
    if (hint !== undefined) expect(error).toMatchObject({ hint: expect.stringMatching(hint) });
  });

  it('warns about a severity that does not exist', async () => {
    expect((await compileSequence({}, ['severity == "eror"'])).hints).toEqual([
      '`then`: no event has the severity "eror"; did you mean error?',
    ]);
  });

  it('has no earlier events in --where', async () => {
    await expect(compileFilter({ where: 'first.data.id == 1' })).rejects.toMatchObject({ code: 'USAGE' });
  });
});
