// Act 4: the same replica, on a server that takes carriers.
import { MeshServer as Server } from 'inmesh';
import { serveAtlas } from './replica.ts';

serveAtlas(new Server());
