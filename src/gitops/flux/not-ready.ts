/** A source that is not there, or not ready: whoever needs it waits. */
export class SourceNotReady extends Error {}
