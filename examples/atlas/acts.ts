/** The four acts: which files they are made of. */
import { type CodeDiff, diffFiles } from './diff.ts';

/** One act. */
export interface Act {
  readonly number: number;
  readonly name: string;
  /** The file that makes the client. */
  readonly client: URL;
  /** The file that starts a replica. */
  readonly server: URL;
  /** The act whose files this one's are compared with; null for the first. */
  readonly comparedWith: number | null;
}

const here = (file: string): URL => new URL(`./${file}`, import.meta.url);
const plainServer = here('server-plain.ts');

const ACTS: readonly Act[] = [
  { number: 1, name: 'grpc-js as it comes', client: here('client-1-plain.ts'), server: plainServer, comparedWith: null },
  { number: 2, name: 'grpc-js as its docs set it up', client: here('client-2-documented.ts'), server: plainServer, comparedWith: 1 },
  { number: 3, name: '+ inmesh on the client', client: here('client-3-mesh.ts'), server: plainServer, comparedWith: 1 },
  { number: 4, name: '+ coalescing', client: here('client-4-coalesce.ts'), server: here('server-mesh.ts'), comparedWith: 3 },
];

/** The act of that number. */
export function actOf(number: number): Act {
  const act = ACTS.find((candidate) => candidate.number === number);
  if (act === undefined) throw new RangeError(`no act ${number}`);
  return act;
}

/** What an act changes in the client's and the server's file, against another act. */
export function diffOf(act: Act, other: Act): { readonly client: CodeDiff; readonly server: CodeDiff } {
  return { client: diffFiles(other.client, act.client), server: diffFiles(other.server, act.server) };
}
