/// One of the two who take part in a transfer.
enum Side: String, Sendable {
    case sender
    case receiver
}
