/** swc strips the types (tsc checks them as its own step); tests run as CommonJS, end-to-end tests spawn dist/ as users do. */
module.exports = {
  testEnvironment: 'node',
  transform: { '^.+\\.ts$': ['@swc/jest', { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }] },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  testMatch: ['**/*.test.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  testTimeout: 20_000,
  globalSetup: './test/support/kafka/setup.cjs',
  globalTeardown: './test/support/kafka/teardown.cjs',
}
