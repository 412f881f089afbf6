const { greet } = require('./app.cjs');

test('greets', async () => {
  expect(await greet()).toEqual(['Hello world', '24 of 24 in batches']);
});
