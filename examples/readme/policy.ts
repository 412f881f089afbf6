/** A policy from a file, and what a mistake in it looks like. */
import { fileURLToPath } from 'node:url';
import { ConfigError, createMesh, loadMesh } from 'inmesh';

const file = fileURLToPath(new URL('inmesh.yaml', import.meta.url));

// #region load
const mesh = await loadMesh(file);
console.log(mesh.policy.methods?.['helloworld.Greeter/SayHello']?.timeout); // prints 0.5s
// #endregion

// #region wrong
const text = JSON.stringify({ services: { 'helloworld.Greeter': { timeuot: '2s' } } });
try {
  createMesh(JSON.parse(text));
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.log(error.message); // prints policy.services["helloworld.Greeter"]: unknown key "timeuot"; did you mean "timeout"?
}
// #endregion

await mesh.close();
