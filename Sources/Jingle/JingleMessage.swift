// XEP-0353: Jingle Message Initiation (version 0.8.0). stub
public enum JingleMessage { public static let namespace = "urn:xmpp:jingle-message:0" }
