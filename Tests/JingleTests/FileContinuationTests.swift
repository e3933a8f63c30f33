import Jingle
import Testing
import XML

@Suite struct FileContinuationTests {
    private func file(_ child: XMLElement?) throws -> FileDescription {
        var element = XMLElement("file", namespace: FileDescription.namespace)
        element.append(XMLElement("name", namespace: FileDescription.namespace, text: "a.iso"))
        if let child { element.append(child) }
        return try FileDescription(file: element)
    }

    @Test func namesTheSession() throws {
        let read = try file(FileContinuation(sid: "e09a").element)
        #expect(FileContinuation(read)?.sid == "e09a")
        #expect(FileContinuation(try FileDescription(file: read.file))?.sid == "e09a")
    }

    @Test(arguments: [
        nil,
        XMLElement("continues", namespace: FileContinuation.namespace),
        XMLElement("continues", namespace: FileContinuation.namespace, attributes: ["sid": ""]),
        XMLElement(
            "continues", namespace: FileContinuation.namespace, attributes: ["sid": String(repeating: "x", count: 257)]),
        XMLElement("continues", namespace: "urn:example:other", attributes: ["sid": "e09a"]),
        XMLElement("goes-on", namespace: FileContinuation.namespace, attributes: ["sid": "e09a"]),
    ])
    func whatNamesNoSessionGoesOnWithNothing(child: XMLElement?) throws {
        #expect(FileContinuation(try file(child)) == nil)
    }
}
