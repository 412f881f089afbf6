/** The same handlers without their definition: messages come as objects. */
export { say, tell } from './workers-module.ts';
