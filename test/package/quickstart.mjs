import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { createMesh } from 'inmesh';

const { Greeter } = grpc.loadPackageDefinition(loader.loadSync('greeter.proto')).helloworld;
const mesh = createMesh({ services: { 'helloworld.Greeter': { timeout: '2s', idempotent: true } } });

const client = new Greeter('localhost:50051', grpc.credentials.createInsecure(), mesh.client());
client.sayHello({ name: 'world' }, (error, reply) => {
  console.log(error ?? reply.message);
});
