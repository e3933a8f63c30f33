/// The exit codes a script can rely on.
enum ExitStatus: Int32 {
    case done = 0
    case failed = 1
    case usage = 2
    case serverUnreachable = 3
    case peerUnavailable = 4
    case declined = 5
    case noPath = 6
    case interruptedTransfer = 7
    case insecure = 8
    case localFile = 9
    case interruptedByUser = 130
}

/// What went wrong, in words for the user: one sentence, empty if nothing is to be said, what to do next, and the exit code.
struct Failure: Error {
    var message: String
    var hint: String?
    var code: ExitStatus

    init(_ message: String, hint: String? = nil, code: ExitStatus) {
        self.message = message
        self.hint = hint
        self.code = code
    }
}
