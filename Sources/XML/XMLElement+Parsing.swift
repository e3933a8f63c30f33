extension XMLElement {
    /// Parses a text that holds exactly one element; for fixtures and tests.
    ///
    /// - Throws: `XMLStreamError`, also when there is anything besides the element.
    package init(parsing text: String) throws(XMLStreamError) {
        let events = XMLStreamParser().feed(Array("<x>\(text)</x>".utf8))
        if case .failed(let error)? = events.last { throw error }
        guard events.count == 3, case .stanza(let element) = events[1], events[2] == .end else { throw .notWellFormed }
        self = element
    }
}
