/**
 * A table of short texts that come again and again, so that a text which was there before needs no decoding and no new
 * string: it is known by its slot. In WebAssembly because sixteen bytes are compared in one step.
 *
 * `../scan-memory.ts` is the only caller; it has the string of each slot.
 */

/** How many texts the table holds; a power of two. The same numbers are in `../scan-memory.ts`. */
const SLOTS: u32 = 2048;
const SLOT_BYTES: i32 = 128;
/** A slot has the hash of its text (0: it is free), the length, and the text. */
const LENGTH_AT: i32 = 8;
const TEXT_AT: i32 = 16;

/** In how many slots, one after another, a text may stand; else two that share a slot would oust each other. */
const TRIES: u32 = 4;
/** Odd, with ones and zeros in no order. */
const FACTOR: u64 = ((<u64>0x9e3779b9) << 32) | 0x7f4a7c15;

const STEP: i32 = 16;
const ALL_OF_A_STEP: i32 = 0xffff;

/**
 * The slot of the text between two addresses. It is put there if it was not; then the slot's number is negated, as
 * `~slot`, for the string of that slot is another from now on.
 *
 * @param table Where the table stands. @param end The text has to fit into a slot.
 */
export function slotOf(start: i32, end: i32, table: i32): i32 {
  const length = end - start;
  const hash = hashOf(start, length);
  const first = <u32>(hash >> 32);
  for (let i: u32 = 0; i < TRIES; i++) {
    const slot = (first + i) & (SLOTS - 1);
    const address = table + <i32>slot * SLOT_BYTES;
    const known = load<u64>(address);
    if (known === 0) return put(start, length, hash, slot, address);
    if (
      known === hash &&
      load<i32>(address, LENGTH_AT) === length &&
      isSame(start, address + TEXT_AT, length)
    ) {
      return <i32>slot;
    }
  }
  const slot = first & (SLOTS - 1);
  return put(start, length, hash, slot, table + <i32>slot * SLOT_BYTES);
}

function put(start: i32, length: i32, hash: u64, slot: u32, address: i32): i32 {
  store<u64>(address, hash);
  store<i32>(address, length, LENGTH_AT);
  memory.copy(address + TEXT_AT, start, length);
  return ~(<i32>slot);
}

/** Never 0. Reads a few bytes behind the text, and forgets them. */
function hashOf(start: i32, length: i32): u64 {
  let hash: u64 = length;
  let at = start;
  for (let rest = length; rest > 0; rest -= 8) {
    let word = load<u64>(at);
    if (rest < 8) word &= ((<u64>1) << (<u64>rest * 8)) - 1;
    hash = (hash ^ word) * FACTOR;
    hash ^= hash >> 32;
    at += 8;
  }
  return (hash * FACTOR) | 1;
}

function isSame(one: i32, other: i32, length: i32): bool {
  for (let at = 0; at < length; at += STEP) {
    const same = i8x16.bitmask(i8x16.eq(v128.load(one + at), v128.load(other + at)));
    const wanted = length - at < STEP ? (1 << (length - at)) - 1 : ALL_OF_A_STEP;
    if ((same & wanted) !== wanted) return false;
  }
  return true;
}
