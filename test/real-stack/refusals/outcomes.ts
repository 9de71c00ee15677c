/** What a refusal is about. `doctor --json` gives it as `fault`. */
export type Outcome =
  | 'token refused'
  | 'token expired'
  | 'no token'
  | 'gateway refuses this machine'
  | 'gateway wants credentials'
  | 'endpoint refuses'
  | 'endpoint does not exist'
  | 'server fails'
  | 'no API there'
  | 'unknown';

/** How an outcome is seen from outside. */
interface OutcomeSigns {
  /** Exit codes that are right; several where the contract leaves it open. */
  codes: readonly number[];
  /** The meaning of the message, in any of its likely wordings. */
  message: RegExp;
}

export const outcomes: Readonly<Record<Outcome, OutcomeSigns>> = {
  'token refused': {
    codes: [3],
    message:
      /(refus|reject)\w*( \w+)? token|token (is|was) (refused|rejected|not valid|invalid)|not accept the token/i,
  },
  'token expired': { codes: [3], message: /token( \w+)? expired|expired token|token.* expired/i },
  'no token': { codes: [3], message: /(no|without a|wants a|needs a|requires a) token/i },
  'gateway refuses this machine': {
    codes: [4],
    message:
      /(gateway|firewall|VPN|in front of|before the API).*(refus|block|den[iy]|reject)|(refus|block|den[iy]|reject).*(gateway|firewall|VPN|in front of|before the API)/is,
  },
  'gateway wants credentials': { codes: [3, 4], message: /gateway|proxy|in front of/i },
  'endpoint refuses': { codes: [4], message: /refus|reject|denie|not allowed/i },
  'endpoint does not exist': {
    codes: [4],
    message: /no (such )?endpoint|not exist|does not have|not found/i,
  },
  'server fails': { codes: [4], message: /fail|down|unavailable|error/i },
  'no API there': { codes: [4], message: /no (OPMAS )?API|address of the API/i },
  unknown: {
    codes: [3],
    message:
      /unknown|not (known|clear|certain|proven)|does not say|cannot (tell|say)|can't (tell|say)|may be|either|if it is the token/i,
  },
};

/** A message that sends the user after the token; wrong wherever the token is not at fault. */
export const blamesToken =
  /(refus|reject)\w*( the| your)? token|token (is|was) (refused|rejected|not valid|invalid)|wrong (user|password)|\bauth login\b/i;

/** A message that calls the token good; wrong wherever the API has not said so. */
export const praisesToken =
  /(accepts|accepted|takes|took) the token|token (is|was) (good|valid|accepted|fine)|not the token|token is not at fault|logged in|all is well/i;
