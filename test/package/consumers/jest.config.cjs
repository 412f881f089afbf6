module.exports = {
  transform: { '/node_modules/inmesh/': '<rootDir>/jest.transform.cjs' },
  transformIgnorePatterns: ['/node_modules/(?!inmesh/)'],
};
