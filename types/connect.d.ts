/** The one name of the DOM that the types of `@connectrpc/connect` ask for. Programs that use it have the DOM's library, or skipLibCheck. */
type HeadersInit = ConstructorParameters<typeof Headers>[0] & {};
