/// A file name that is safe to create in a folder of ours, whatever the peer called its file.
///
/// It is one path component of at most ``maximumByteCount`` bytes of UTF-8; it is not hidden, cannot be taken for an
/// option, and has no characters that cannot be seen. Making one is the only way from a peer's name to a local file.
public struct LocalFileName: Sendable, Hashable, CustomStringConvertible {
    /// The name of the finished file.
    public let string: String

    /// What a file is called until it is finished.
    public static let partSuffix = ".sleigh-part"
    /// The highest number ``numbered(_:)`` takes.
    public static let highestNumber = 999
    /// The length limit in bytes: Linux's 255 less room for ` (999)` and `.sleigh-part`.
    public static let maximumByteCount = 255 - " (999)".utf8.count - partSuffix.utf8.count

    /// What a file is called whose peer gave no usable name.
    static let unnamed = "unnamed"

    /// Makes a safe name of any text.
    ///
    /// Folders before the name are dropped, whether written with `/` or `\`. Line and word separators become spaces,
    /// other characters that cannot be seen become `_`. A leading `.`, `-` or `~` becomes `_`; trailing dots and
    /// spaces, which some file systems drop, are removed. Extensions survive cutting.
    public init(peerName: String) {
        self.init(scalars: peerName.unicodeScalars)
    }

    /// Makes a safe name of bytes that ought to be UTF-8; what is not becomes U+FFFD.
    public init(peerBytes: some Collection<UInt8>) {
        self.init(scalars: String(decoding: peerBytes.prefix(Self.longestInput * 4), as: UTF8.self).unicodeScalars)
    }

    /// The name with a number before the extension: `report (1).pdf`.
    ///
    /// - Parameter number: 0 for the name itself, at most ``highestNumber``.
    public func numbered(_ number: Int) -> String {
        precondition((0...Self.highestNumber).contains(number))
        guard number > 0 else { return string }
        let (stem, suffix) = Self.split(string)
        return "\(stem) (\(number))\(suffix)"
    }

    /// The name.
    public var description: String { string }

    // MARK: The rules, in the order in which they apply

    /// How many characters from the end of a name are looked at.
    private static let longestInput = 4096

    private init(scalars: String.UnicodeScalarView) {
        let component = Self.lastComponent(scalars)
        var name = Self.withoutIdleEnd(Self.visible(component))
        if name.isEmpty || name == "_" { name = Self.unnamed }
        if Self.isDevice(name) { name = "_" + name }
        if Self.isPart(name) { name += "_" }
        name = Self.withoutIdleEnd(Self.cut(name))
        // Where the cut fell just so.
        if Self.isPart(name) { name = name.dropLast() + "_" }
        string = name
    }

    private static func isPart(_ name: String) -> Bool { name.lowercased().hasSuffix(partSuffix) }

    private static func withoutIdleEnd(_ name: String) -> String {
        var name = name.unicodeScalars[...]
        while let last = name.last, last == "." || last == " " { name.removeLast() }
        return String(name)
    }

    private static func lastComponent(_ scalars: String.UnicodeScalarView) -> Substring.UnicodeScalarView {
        let isSeparator = { (scalar: Unicode.Scalar) in scalar == "/" || scalar == "\\" }
        var end = scalars.endIndex
        while end > scalars.startIndex, isSeparator(scalars[scalars.index(before: end)]) {
            end = scalars.index(before: end)
        }
        var start = end
        var count = 0
        while start > scalars.startIndex, count < longestInput {
            let before = scalars.index(before: start)
            if isSeparator(scalars[before]) { break }
            start = before
            count += 1
        }
        return scalars[start..<end]
    }

    /// Replaces or drops what cannot be seen, and what must not stand at the start.
    private static func visible(_ scalars: Substring.UnicodeScalarView) -> String {
        var name = String.UnicodeScalarView()
        var isStart = true
        for scalar in scalars {
            guard let replacement = replacement(for: scalar) else { continue }
            if isStart {
                if replacement == " " { continue }
                if [".", "-", "~", "_"].contains(replacement) {
                    if name.isEmpty { name.append(replacement == "_" ? replacement : "_") }
                    continue
                }
                isStart = false
            }
            name.append(replacement)
        }
        return String(name)
    }

    /// What stands in a name for a character; `nil` for those that only shape their neighbours.
    private static func replacement(for scalar: Unicode.Scalar) -> Unicode.Scalar? {
        switch scalar {
        case "/", "\\": return "_"
        case " "..."~": return scalar
        // Soft hyphen, zero-width (non-)joiner, word joiner, variation selectors.
        case "\u{AD}", "\u{200C}", "\u{200D}", "\u{2060}", "\u{FE00}"..."\u{FE0F}", "\u{E0100}"..."\u{E01EF}":
            return nil
        case "\n", "\r", "\t", "\u{B}", "\u{C}", "\u{85}", "\u{2800}": return " "
        default: break
        }
        switch scalar.properties.generalCategory {
        case .spaceSeparator, .lineSeparator, .paragraphSeparator: return " "
        case .control, .format, .surrogate: return "_"
        case .unassigned where scalar.properties.isNoncharacterCodePoint: return "_"
        default: return scalar.properties.isDefaultIgnorableCodePoint ? "_" : scalar
        }
    }

    /// Shortens a name to ``maximumByteCount``, keeping its extension and whole characters.
    private static func cut(_ name: String) -> String {
        guard name.utf8.count > maximumByteCount else { return name }
        let (stem, suffix) = split(name)
        let room = maximumByteCount - suffix.utf8.count
        var short = ""
        var count = 0
        for character in stem {
            count += character.utf8.count
            if count > room { break }
            short.append(character)
        }
        if short.isEmpty {
            // One letter with hundreds of accents.
            for scalar in stem.unicodeScalars {
                guard short.utf8.count + scalar.utf8.count <= room else { break }
                short.unicodeScalars.append(scalar)
            }
        }
        return short + suffix
    }

    /// Splits a name before its extension: at most 20 bytes from the last dot, or from `.tar` before it.
    private static func split(_ name: String) -> (stem: Substring, suffix: Substring) {
        guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return (name[...], "") }
        let suffix = name[dot...]
        guard (2...20).contains(suffix.utf8.count) else { return (name[...], "") }
        let stem = name[..<dot]
        if stem.lowercased().hasSuffix(".tar"), stem.count > 4 {
            let inner = stem.index(stem.endIndex, offsetBy: -4)
            return (name[..<inner], name[inner...])
        }
        return (stem, suffix)
    }

    /// Whether a Windows machine that shares the folder would take the name for a device.
    private static func isDevice(_ name: String) -> Bool {
        let stem = name.prefix { $0 != "." }.uppercased()
        if ["CON", "PRN", "AUX", "NUL"].contains(stem) { return true }
        guard stem.count == 4, stem.hasPrefix("COM") || stem.hasPrefix("LPT") else { return false }
        return stem.last.map { "0123456789¹²³".contains($0) } ?? false
    }
}
