/// Comma-separated values (RFC 4180).
public enum CSV {
    /// A record without its end; a field with a comma, a quotation mark or the end of a line in it is put in quotation marks.
    public static func record(_ fields: [String]) -> String { fields.map(quoted).joined(separator: ",") }

    private static func quoted(_ field: String) -> String {
        guard field.utf8.contains(where: { [0x22, 0x2C, 0x0D, 0x0A].contains($0) }) else { return field }
        return "\"" + field.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}
