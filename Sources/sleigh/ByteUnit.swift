/// The units in which users write numbers of bytes: decimal `k`, `M`, `G` and `T`, binary `Ki`, `Mi`, `Gi` and `Ti`.
enum ByteUnit {
    private static let factors: [String: Double] = [
        "": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 0x1p10, "mi": 0x1p20, "gi": 0x1p30, "ti": 0x1p40,
    ]

    /// How many bytes a unit stands for, in upper or lower case; `nil` if there is no such unit.
    static func factor(of unit: some StringProtocol) -> Double? { factors[unit.lowercased()] }

    /// Takes a number with a unit apart; `nil` if it begins with no number, or is longer than anybody writes.
    static func split(_ argument: String) -> (digits: Substring, number: Double, unit: Substring)? {
        guard argument.utf8.count <= 40 else { return nil }
        let digits = argument.prefix { $0.isASCII && $0.isNumber || $0 == "." }
        guard digits.first?.isNumber == true, digits.last?.isNumber == true, let number = Double(digits) else {
            return nil
        }
        return (digits, number, argument[digits.endIndex...])
    }
}
