/** The application's own code: renders one page with a plain gRPC client. The same for all acts. */
import { type ServiceError, status } from '@grpc/grpc-js';
import type { Answer, AtlasClient, PageView, Place } from './atlas.ts';
import { digestPage, type PagePlan, SEARCH_LIMIT } from './pages.ts';
import type { Records } from './records.ts';

/** Renders pages and notes what each call and page came to. */
export class Renderer {
  readonly #client: AtlasClient;
  readonly #records: Records;
  readonly #deadlineMs: number;

  constructor(client: AtlasClient, records: Records, deadlineMs: number) {
    this.#client = client;
    this.#records = records;
    this.#deadlineMs = deadlineMs;
  }

  /** Renders a page that was due at `dueMs` (monotonic): all its calls at once, then its digest. */
  async render(number: number, plan: PagePlan, dueMs: number): Promise<void> {
    const options = { deadline: Date.now() + this.#deadlineMs };
    const client = this.#client;
    const { prefix, view } = plan;
    const asked = plan.ids.map((id) => this.#unary<Place>((answer) => client.getPlace({ id }, options, answer)));
    const searched = prefix === null ? [] : this.#stream(() => client.searchPlaces({ prefix, limit: SEARCH_LIMIT }, options));
    const noted = view === null ? undefined : this.#unary<PageView>((answer) => client.recordView({ page: view }, options, answer));

    const places = (await Promise.all(asked)).filter((place) => place !== null);
    const found = await searched;
    const viewed = await noted;
    const whole = places.length === plan.ids.length && found !== null && viewed !== null;
    const digest = whole ? digestPage(places, found, viewed?.page ?? null) : null;
    this.#records.page(number, digest, performance.now() - dueMs);
  }

  #unary<Reply>(start: (answer: Answer<Reply>) => void): Promise<Reply | null> {
    const begun = this.#records.phase;
    const startMs = performance.now();
    return new Promise((resolve) => {
      start((error, reply) => {
        this.#records.call(begun, error?.code ?? status.OK, performance.now() - startMs);
        resolve(error === null && reply !== undefined ? reply : null);
      });
    });
  }

  #stream(start: () => ReturnType<AtlasClient['searchPlaces']>): Promise<readonly Place[] | null> {
    const begun = this.#records.phase;
    const startMs = performance.now();
    return new Promise((resolve) => {
      const found: Place[] = [];
      let ended = false;
      const end = (error: ServiceError | null): void => {
        if (ended) return; // After its 'error' a stream of grpc-js also says 'end'.
        ended = true;
        this.#records.call(begun, error?.code ?? status.OK, performance.now() - startMs);
        resolve(error === null ? found : null);
      };
      const stream = start();
      stream.on('data', (place: Place) => found.push(place));
      stream.on('end', () => end(null));
      stream.on('error', end);
    });
  }
}
