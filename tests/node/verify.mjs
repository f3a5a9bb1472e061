// Verifies tokens as a service in JavaScript would. Reads {jwks, algorithm, issuer, audience, tokens: {name: token}} from
// standard input; writes {name: {subject} or {error: jose's code}}.
import { text } from "node:stream/consumers";
import { createRemoteJWKSet, jwtVerify } from "jose";

const { jwks, algorithm, tokens, ...expected } = JSON.parse(await text(process.stdin));
const keys = createRemoteJWKSet(new URL(jwks));

const verdict = (token) =>
  jwtVerify(token, keys, { ...expected, algorithms: [algorithm], typ: "at+jwt" }).then(
    ({ payload }) => ({ subject: payload.sub }),
    ({ code, message }) => ({ error: code ?? message }),
  );

const verdicts = Object.entries(tokens).map(async ([name, token]) => [name, await verdict(token)]);
process.stdout.write(JSON.stringify(Object.fromEntries(await Promise.all(verdicts))));
