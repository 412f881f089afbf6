/**
 * What .proto files declare, as lint sees it: layers like those of the document, with places in those files.
 *
 * @packageDocumentation
 */
import type { Catalog } from '../batch/native/descriptors.ts';
import { splitMethod } from '../call.ts';
import { type Declaration, DeclaredPolicies } from '../policy/declared.ts';
import type { Keys, Layer } from './context.ts';
import type { OptionPlaces, ProtoPlace } from './proto-places.ts';

/** An option of ours in a .proto file. */
interface Option {
  /** As messages name it: `option (inmesh.v1.method_policy) of shop.v1.Cart/GetItem`. */
  readonly name: string;
  readonly place: ProtoPlace;
}

/** Stands in keys for the option of that number: no field of the policy begins with `$`. */
const MARKER = '$option';
const NAMED = /option \(inmesh\.v1\.(method|service|file)_policy\)(?: of ([\w.]+(?:\/\w+)?))?/;

/** All options of ours in some files. */
export class DeclaredLayers {
  readonly layers: readonly Layer[];
  readonly #options: readonly Option[];

  /** @throws ConfigError as {@link DeclaredPolicies} does. @param places - Of options, as far as they are known. */
  constructor(catalog: Catalog | undefined, places: OptionPlaces) {
    const options: Option[] = [];
    const layers: Layer[] = [];
    const seen = new Set<string>();
    const policies = new DeclaredPolicies(catalog);
    // First those methods of which least is declared: a wider layer is looked at where no other speaks.
    const paths = [...policies.paths].map((path) => ({ path, declared: policies.of(path).filter(({ where }) => NAMED.test(where)) }));
    for (const { path, declared } of paths.sort((a, b) => a.declared.length - b.declared.length)) {
      for (const declaration of declared) {
        if (seen.has(declaration.where)) continue;
        seen.add(declaration.where);
        const file = catalog?.method(path)?.file ?? '';
        layers.push(layerOf(declaration, path, [`${MARKER}${options.length}`]));
        options.push({ name: declaration.where.replace(/^.*?: (?=option )/, ''), place: placeOf(declaration.where, file, places) });
      }
    }
    this.layers = layers;
    this.#options = options;
  }

  /** Where keys of one of these layers stand; undefined: they are keys of the document. */
  find([first, ...field]: Keys): (ProtoPlace & { readonly path: string }) | undefined {
    const number = typeof first === 'string' && first.startsWith(MARKER) ? Number(first.slice(MARKER.length)) : -1;
    const option = this.#options[number];
    return option && { ...option.place, path: field.length === 0 ? option.name : `${option.name}: ${field.join('.')}` };
  }

  /** Keys for a place that an error names by an option; undefined: it names none. */
  keysOf(path: string): Keys | undefined {
    const [name] = NAMED.exec(path) ?? [];
    const number = name === undefined ? -1 : this.#options.findIndex((option) => option.name === name);
    return number === -1 ? undefined : [`${MARKER}${number}`];
  }
}

/** Where an option stands that an error names; undefined: it names none. */
export function placeOfError(path: string, places: OptionPlaces): (ProtoPlace & { readonly path: string }) | undefined {
  const [name] = NAMED.exec(path) ?? [];
  return name === undefined ? undefined : { ...placeOf(path, '', places), path: path.replace(/^.*?: (?=option )/, '') };
}

function layerOf({ where, says: own }: Declaration, path: string, keys: Keys): Layer {
  const { service, method } = splitMethod(path);
  const [, level] = NAMED.exec(where) ?? [];
  if (level === 'method') return { keys, kind: 'methods', name: `${service}/${method}`, own, path };
  return level === 'service' ? { keys, kind: 'services', name: service, own, path } : { keys, kind: 'defaults', name: '', own, path };
}

function placeOf(where: string, known: string, places: OptionPlaces): ProtoPlace {
  const [, level = '', of = ''] = NAMED.exec(where) ?? [];
  const [, named] = /^(\S+\.proto): option /.exec(where) ?? [];
  const file = named ?? known;
  return places(level, level === 'file' ? file : of) ?? { file: file === '' ? 'descriptors' : file, line: 1, column: 1 };
}
