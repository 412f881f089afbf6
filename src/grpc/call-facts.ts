/**
 * What is known about a call when it starts, as an object of a class and not as a literal.
 *
 * Where a literal's objects outlive the collections of a burst (more than a hundred calls at a time while a process is young), V8 makes
 * them among its old objects from then on, for good (allocation-site pretenuring). There each of them, long dead, keeps all that its call
 * had alive until the next full collection: a third of a client's CPU, and pauses of 20 ms. Objects of classes it never does that to.
 * So what lives as long as its call does, and leads to the rest of it, is no literal.
 *
 * @packageDocumentation
 */
import type { AsyncResource } from 'node:async_hooks';
import type { CallCredentials } from '@grpc/grpc-js';
import type { InmeshCallOptions, MethodKind } from '../call.ts';
import type { CallRecord } from '../observe/call-record.ts';
import type { CallStory } from '../observe/story.ts';
import type { AttemptContext, CallInfo, Door, MethodDefinition, NextClientCall, ParentCall } from './client-call.ts';

export class CallFacts implements CallInfo {
  readonly method: string;
  readonly kind: MethodKind | undefined;
  readonly deadlineMs: number;
  readonly host: string | undefined;
  readonly credentials: CallCredentials | undefined;
  readonly parent: ParentCall | undefined;
  readonly propagateFlags: number | undefined;
  readonly options: InmeshCallOptions | undefined;
  readonly definition: MethodDefinition | undefined;
  readonly door: Door;
  attempt: AttemptContext | undefined;
  story: CallStory | undefined;
  record: CallRecord | undefined;
  ownsMetadata: boolean;
  readonly stage: number;
  readonly bottom: NextClientCall;
  readonly scope: AsyncResource;

  constructor(info: CallInfo) {
    this.method = info.method;
    this.kind = info.kind;
    this.deadlineMs = info.deadlineMs;
    this.host = info.host;
    this.credentials = info.credentials;
    this.parent = info.parent;
    this.propagateFlags = info.propagateFlags;
    this.options = info.options;
    this.definition = info.definition;
    this.door = info.door;
    this.attempt = info.attempt;
    this.story = info.story;
    this.record = info.record;
    this.ownsMetadata = info.ownsMetadata === true;
    this.stage = info.stage;
    this.bottom = info.bottom;
    this.scope = info.scope;
  }
}
