#!/usr/bin/env node
/**
 * `protoc-gen-inmesh`, run by buf or protoc.
 *
 * @packageDocumentation
 */
import { scopeVersion } from '../observe/api.ts';

Promise.all([import('@bufbuild/protoplugin'), import('./plugin.ts')]).then(
  ([{ runNodeJs }, { createPlugin }]) => runNodeJs(createPlugin(scopeVersion() ?? '0.0.0')),
  (error: unknown) => {
    const missing = error instanceof Error && Reflect.get(error, 'code') === 'ERR_MODULE_NOT_FOUND';
    process.stderr.write(
      `protoc-gen-inmesh: ${missing ? 'needs @bufbuild/protobuf and @bufbuild/protoplugin: npm i -D @bufbuild/protobuf @bufbuild/protoplugin' : String(error)}\n`,
    );
    process.exitCode = 1;
  },
);
