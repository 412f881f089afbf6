// Acts 1 to 3: a replica that knows nothing of inmesh.
import { Server } from '@grpc/grpc-js';
import { serveAtlas } from './replica.ts';

serveAtlas(new Server());
