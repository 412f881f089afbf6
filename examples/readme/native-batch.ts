/** Twenty calls of GetBook, one call of BatchGetBooks; the server knows nothing of it. */
import { fileURLToPath } from 'node:url';
import {
  type Client,
  credentials,
  type handleUnaryCall,
  loadPackageDefinition,
  Server,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ConfigError, createMesh, type Policy } from 'inmesh';
import { listen } from './greeter.ts';

interface Book {
  readonly name: string;
  readonly title: string;
}
const file = fileURLToPath(new URL('books.proto', import.meta.url));
const { books } = loadPackageDefinition(loadSync(file)) as unknown as { books: { v1: { Books: ServiceClientConstructor } } };
const { Books } = books.v1;
const bookOf = (name: string): Book => ({ name, title: `The title of ${name}` });
let batches = 0;
const getBook: handleUnaryCall<{ name: string }, Book> = (call, answer) => answer(null, bookOf(call.request.name));
const batchGetBooks: handleUnaryCall<{ names: string[] }, { books: Book[] }> = (call, answer) => {
  batches++;
  answer(null, { books: call.request.names.map(bookOf) });
};
const server = new Server();
server.addService(Books.service, { getBook, batchGetBooks });
const target = await listen(server);

// #region mesh
const policy: Policy = {
  methods: {
    'books.v1.Books/GetBook': {
      batch: {
        via: 'BatchGetBooks',
        lift: { from: 'name', to: 'names' },
        groupBy: ['parent'],
        result: { items: 'books' },
      },
    },
  },
};
const mesh = createMesh(policy, { descriptors: loadSync(file) });
const client = new Books(target, credentials.createInsecure(), mesh.client());
// #endregion

type GetBook = (request: { name: string }, answer: (error: ServiceError | null, book: Book) => void) => void;
const one = (name: string): Promise<Book> =>
  new Promise((resolve, reject) => {
    const stub = client as Client as Client & { getBook: GetBook };
    stub.getBook({ name }, (error, book) => (error === null ? resolve(book) : reject(error)));
  });

// #region calls
const names = Array.from({ length: 20 }, (_, index) => `book ${index}`);
const found = await Promise.all(names.map((name) => one(name)));
console.log(found[7]?.title); // prints The title of book 7
console.log(`${mesh.stats().native.items} calls in ${batches} call`); // prints 20 calls in 1 call
// #endregion

// #region wrong
const wrong: Policy = {
  methods: {
    'books.v1.Books/GetBook': { batch: { via: 'BatchGetBooks', lift: { from: 'nam', to: 'names' }, result: { items: 'books' } } },
  },
};
try {
  createMesh(wrong, { descriptors: loadSync(file) });
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.log(error.path); // prints policy.methods["books.v1.Books/GetBook"].batch.lift.from
  console.log(error.message.slice(error.path.length + 2)); // prints books.v1.GetBookRequest has no field "nam"; did you mean "name"?
}
// #endregion

client.close();
await mesh.close();
server.forceShutdown();
