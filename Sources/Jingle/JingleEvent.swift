// XEP-0166 § 6: what happens in a session, as told to the application.
public import XMPP

/// What the peer did, or what became of a request of ours.
public enum JingleEvent: Sendable, Hashable {
    /// A session is offered to us: answer with `accept` or `terminate`.
    case offered([Content])
    /// The peer accepted the session, with its descriptions and transports.
    case accepted([Content])
    /// The peer adds contents: answer with `acceptContents` or `rejectContents`.
    case contentsAdded([Content])
    /// The peer accepted contents we added, with its descriptions and transports.
    case contentsAccepted([Content])
    /// The peer rejected contents of ours, or left them out when it accepted the session.
    case contentsRejected([ContentID], Reason?)
    /// The peer removed contents.
    case contentsRemoved([ContentID], Reason?)
    /// The peer changed who sends.
    case sendersChanged(ContentID, Senders)
    /// The peer gave hints about a description.
    case descriptionInfo(ContentID, ContentDescription)
    /// The peer told more about its transport, such as candidates.
    case transportInfo(ContentID, ContentTransport)
    /// The peer wants another transport: answer with `acceptTransports` or `rejectTransports`.
    case transportReplaceOffered(ContentID, ContentTransport)
    /// The peer accepted the transport we proposed, with its own side of it.
    case transportReplaceAccepted(ContentID, ContentTransport)
    /// The transport we proposed is not used; the old one stays. Without a reason it lost a tie-break.
    case transportReplaceRejected(ContentID, Reason?)
    /// The sender of a file tells its digest.
    case checksum(ContentID, FileDescription)
    /// The receiver of a file has the whole of it.
    case received(ContentID)
    /// So many bytes of our direction of a stream have come, to its end, and are with the program they are for.
    case delivered(ContentID, byteCount: UInt64)
    /// The peer drops what else comes in our direction of a stream.
    case stopped(ContentID)
    /// A request of ours failed, and with it what it asked for; the session goes on.
    case requestFailed(JingleAction, [ContentID], JingleRequestFailure)
    /// The session is over. Nothing follows.
    case ended(JingleSessionEnd)
}

/// Why a request has no result.
public enum JingleRequestFailure: Error, Sendable, Hashable {
    /// The peer, or a server on the way, answered with an error.
    case refused(StanzaError)
    /// No answer came in time.
    case unanswered
}

/// How a session ended.
public enum JingleSessionEnd: Sendable, Hashable {
    /// This side ended it.
    case local(Reason)
    /// The peer ended it, perhaps without a reason.
    case peer(Reason?)
    /// A request without which there is no session failed.
    case failed(JingleAction, JingleRequestFailure)
}

/// Why a command cannot be carried out. The session is as before.
public enum JingleCommandError: Error, Sendable, Hashable {
    /// The session, or the content, is not in a state that permits it.
    case outOfOrder
    /// There is no such content.
    case unknownContent(ContentID)
    /// A part the request needs is missing, or a name is taken.
    case invalidContent(ContentID)
    /// There are no contents in the command.
    case noContents
    /// There are too many contents, or too many requests without an answer.
    case limitReached
}
