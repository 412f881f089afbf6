/**
 * Which cluster a call goes to: the first route that matches says it.
 *
 * @packageDocumentation
 */

import type { FieldReader } from './field.ts';
import { type Headers, headerOf } from './match.ts';
import type { FieldTest, RouteRule } from './options.ts';

/** What a route may look at. */
export interface RoutedCall {
  readonly headers: Headers;
  /** The request as bytes; undefined: it can't be encoded. Asked for only where a plan {@link RoutePlan.needsMessage}. */
  readonly message: () => Buffer | undefined;
  readonly tenant: () => string | undefined;
}

/** What routes say about one method. */
export interface RoutePlan {
  /** The cluster can't be known before the request is. */
  readonly needsMessage: boolean;
  /** The same cluster for all calls; undefined: it has to be chosen. */
  readonly fixed: string | undefined;
  /** A name, or '' for the client's own target. */
  choose(call: RoutedCall): string;
}

/** More paths than that are not one client's methods; the oldest is computed anew when it comes again. */
const MAX_CACHED = 10_000;

export class Routes {
  readonly #rules: readonly RouteRule[];
  readonly #plans = new Map<string, RoutePlan | undefined>();

  constructor(rules: readonly RouteRule[]) {
    this.#rules = rules;
  }

  /** Undefined: all calls of the method, `/pkg.Service/Method`, go to their client's own target. */
  planOf(method: string): RoutePlan | undefined {
    const known = this.#plans.get(method);
    if (known !== undefined || this.#plans.has(method)) return known;
    if (this.#plans.size >= MAX_CACHED) for (const [oldest] of this.#plans) if (this.#plans.delete(oldest)) break;
    const plan = this.#makePlan(method);
    this.#plans.set(method, plan);
    return plan;
  }

  #makePlan(method: string): RoutePlan | undefined {
    const steps: PlanStep[] = [];
    for (const rule of this.#rules) {
      if (!rule.matcher.takes(method)) continue;
      const step = new PlanStep(rule, method.slice(1));
      steps.push(step);
      if (step.unconditional) break;
    }
    return steps.every(({ only }) => only === '') ? undefined : new MethodPlan(steps);
  }
}

class MethodPlan implements RoutePlan {
  readonly needsMessage: boolean;
  readonly fixed: string | undefined;
  readonly #steps: readonly PlanStep[];

  constructor(steps: readonly PlanStep[]) {
    this.#steps = steps;
    this.needsMessage = steps.some((step) => step.needsMessage);
    this.fixed = steps[0]?.unconditional === true ? steps[0].only : undefined;
  }
  choose(call: RoutedCall): string {
    for (const step of this.#steps) if (step.fits(call)) return step.target(call);
    return '';
  }
}

/** A route, for one method. */
class PlanStep {
  readonly #rule: RouteRule;
  readonly #fields: readonly FieldTest[];
  readonly #keyField: FieldReader | undefined;

  constructor(rule: RouteRule, name: string) {
    this.#rule = rule;
    this.#fields = rule.fields.get(name) ?? [];
    this.#keyField = rule.keyFields.get(name);
  }
  get unconditional(): boolean {
    return this.#rule.matcher.byMethodOnly && this.#fields.length === 0;
  }
  get needsMessage(): boolean {
    return this.#fields.length > 0 || this.#keyField !== undefined;
  }
  /** Undefined: it is a split. */
  get only(): string | undefined {
    return typeof this.#rule.to === 'string' ? this.#rule.to : undefined;
  }

  fits({ headers, message }: RoutedCall): boolean {
    if (!this.#rule.matcher.fits(headers)) return false;
    if (this.#fields.length === 0) return true;
    const bytes = message();
    return bytes !== undefined && this.#fields.every(({ read, holds }) => holds(read(bytes)));
  }

  target(call: RoutedCall): string {
    const { to } = this.#rule;
    return typeof to === 'string' ? to : to.pick(this.#keyOf(call));
  }
  #keyOf({ headers, message, tenant }: RoutedCall): string | undefined {
    const { keyHeader, keyTenant } = this.#rule;
    if (keyHeader !== undefined) return headerOf(headers, keyHeader);
    if (keyTenant) return tenant();
    if (this.#keyField === undefined) return undefined;
    const bytes = message();
    return bytes === undefined ? undefined : this.#keyField(bytes);
  }
}
