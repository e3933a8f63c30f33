import Testing

/// Everything that makes agents; one after the other, because some tests count the process's descriptors.
@Suite(.serialized)
struct ICETests {}
