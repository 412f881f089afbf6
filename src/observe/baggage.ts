/**
 * Limits of W3C baggage: what applications attach to a trace travels with every call, so it must not grow without end, and a
 * peer must not make us carry what it likes. Whole members are dropped, never a call.
 *
 * @packageDocumentation
 */

/** The header. */
export const BAGGAGE = 'baggage';
/** Most bytes of a header. W3C has everybody carry as many. */
export const MAX_BAGGAGE_BYTES = 8192;
/** Most members. W3C has everybody carry 64; OpenTelemetry's propagator takes 180. */
export const MAX_BAGGAGE_MEMBERS = 180;

/** Members that were dropped for being too many or too long. */
export interface BaggageCounts {
  /** From calls that we sent. */
  sentDropped: number;
  /** From calls that we got. */
  receivedDropped: number;
}

/** Nothing dropped yet. */
export function noBaggageCounts(): BaggageCounts {
  return { sentDropped: 0, receivedDropped: 0 };
}

/** True where nothing has to be dropped. */
export function baggageFits(text: string): boolean {
  if (text.length > MAX_BAGGAGE_BYTES) return false;
  if (text.length < MAX_BAGGAGE_MEMBERS) return true; // each has a comma
  return membersOf(text).length <= MAX_BAGGAGE_MEMBERS;
}

/** The first members that fit together, and how many do not. Header values are ASCII: a character is a byte. */
export function limitBaggage(text: string): { readonly text: string; readonly dropped: number } {
  const members = membersOf(text);
  const kept: string[] = [];
  let bytes = -1;
  for (const member of members) {
    if (kept.length === MAX_BAGGAGE_MEMBERS || bytes + 1 + member.length > MAX_BAGGAGE_BYTES) continue;
    kept.push(member);
    bytes += 1 + member.length;
  }
  return { text: kept.join(','), dropped: members.length - kept.length };
}

function membersOf(text: string): string[] {
  return text
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '');
}
