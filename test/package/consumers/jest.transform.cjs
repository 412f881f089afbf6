/** Makes CommonJS of an ES module, for a Jest that cannot load one. */
const { transformSync } = require('esbuild');

module.exports = { process: (source) => transformSync(source, { format: 'cjs', platform: 'node' }) };
