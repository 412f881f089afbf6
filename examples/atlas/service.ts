/** The handlers of the Atlas service, the same on every server and in every act. */
import {
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { PageView, Place } from './atlas.ts';
import type { Storage } from './storage.ts';

/** Builds the handlers over one storage. */
export function atlasHandlers(storage: Storage): UntypedServiceImplementation {
  return {
    getPlace(call: ServerUnaryCall<{ id: number }, Place>, answer: sendUnaryData<Place>): void {
      storage.place(call.request.id, (error, place) => {
        if (error !== null) answer({ code: status.INTERNAL, details: error.message });
        else if (place === undefined) answer({ code: status.NOT_FOUND, details: `no place has the number ${call.request.id}` });
        else answer(null, place);
      });
    },

    searchPlaces(call: ServerWritableStream<{ prefix: string; limit: number }, Place>): void {
      storage.search(call.request.prefix, call.request.limit, (error, places = []) => {
        if (error !== null) {
          call.emit('error', { code: status.INTERNAL, details: error.message });
          return;
        }
        for (const place of places) call.write(place);
        call.end();
      });
    },

    recordView(call: ServerUnaryCall<PageView, PageView>, answer: sendUnaryData<PageView>): void {
      storage.recordView(call.request.page, (error) => {
        if (error !== null) answer({ code: status.INTERNAL, details: error.message });
        else answer(null, { page: call.request.page });
      });
    },
  };
}
