// What is relayed, and how answers end, where the native relay is absent: the same tests.
import { withoutNativeRelay } from '../../support/gateway-harness.js';

withoutNativeRelay();
await import('./relay.test.js');
await import('./endings.test.js');
await import('./stored-responses.test.js');
