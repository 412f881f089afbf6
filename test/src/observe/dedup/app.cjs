// A CommonJS application.
const { exporter } = require('./setup.cjs');
require('@grpc/grpc-js');
const { scenario } = require('./scenario.ts');
scenario(exporter);
