/** What the runner, the replicas and the application tell each other over IPC. */

/** One address of the name service. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** How a replica is started; the first argument of its process, as JSON. */
export interface ReplicaConfig {
  readonly port: number;
  /** The SQLite file with the places. */
  readonly placesFile: string;
  /** The SQLite file that all replicas of an act note page views in. */
  readonly viewsFile: string;
  readonly seed: number;
}

/** From the runner to a replica. */
export type ToReplica =
  | { readonly kind: 'slow'; readonly factor: number }
  | { readonly kind: 'sample' }
  /** Stop gracefully: finish what runs, take nothing new, exit. */
  | { readonly kind: 'stop' };

/** From a replica to the runner. `cpuUs` is the CPU time of the process since it listened. */
export type FromReplica =
  | { readonly kind: 'listening' }
  | { readonly kind: 'sample'; readonly cpuUs: number }
  | { readonly kind: 'failed'; readonly problem: string };

/** How the application is started; the first argument of its process, as JSON. */
export interface AppConfig {
  /** The file that makes the client of this act. */
  readonly clientFile: string;
  readonly seed: number;
  /** Pages per second. */
  readonly rate: number;
  readonly fanout: number;
  readonly warmUpMs: number;
  /** How many pages are measured at least; it goes on until told to finish, so that every fault comes under load. */
  readonly pages: number;
  readonly deadlineMs: number;
  /** How many places there are. */
  readonly places: number;
}

/** The times of an act: healthy, then one fault after the other. */
export type Phase = 'healthy' | 'slow' | 'killed' | 'restarts' | 'replaced';

/** From the runner to the application. */
export type ToApp =
  | { readonly kind: 'names'; readonly addresses: readonly Address[] }
  | { readonly kind: 'warm-up' }
  | { readonly kind: 'measure' }
  | { readonly kind: 'finish' }
  /** Show the mesh over HTTP, at this port if it is free, and render pages without an end. */
  | { readonly kind: 'open'; readonly port: number }
  | { readonly kind: 'phase'; readonly phase: Phase };

/** What the application measured in one act. */
export interface AppResult {
  readonly calls: number;
  /** Calls that ended with a status other than OK. */
  readonly lost: number;
  /** Lost calls by status, e.g. `{ UNAVAILABLE: 3 }`. */
  readonly lostByStatus: Readonly<Record<string, number>>;
  readonly lostByPhase: Readonly<Record<Phase, number>>;
  /** Latency of every call in milliseconds, lost ones included, by phase. */
  readonly callMs: Readonly<Record<Phase, readonly number[]>>;
  /** Latency of every page in milliseconds, from the time it was due. */
  readonly pageMs: readonly number[];
  /** The digest of each page by its number; null when a call of it was lost. */
  readonly digests: readonly (string | null)[];
  /** HTTP/2 streams that the process opened: every RPC on the wire, carriers and retries too. */
  readonly streams: number;
  readonly cpuUs: number;
  /** CPU of the healthy phase alone. */
  readonly healthyCpuUs: number;
  /** `mesh.stats()` at the end less that at the start, as `client.attempts` and so on, where there is a mesh. */
  readonly mesh: Readonly<Record<string, number>> | null;
}

/** From the application to the runner. */
export type FromApp =
  | { readonly kind: 'loaded' }
  | { readonly kind: 'connected' }
  | { readonly kind: 'warm' }
  | { readonly kind: 'open'; readonly url: string }
  | { readonly kind: 'progress'; readonly pages: number; readonly calls: number; readonly lost: number }
  | { readonly kind: 'done'; readonly result: AppResult };

/** Sends to the process that started this one. */
export function tell(message: FromReplica | FromApp): void {
  process.send?.(message);
}
