/// Random numbers that are the same in every run (SplitMix64).
package struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    /// Numbers that follow from a seed.
    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

extension [UInt8] {
    /// Changes, adds and takes away up to four bytes, wherever it happens to be; at least one byte stays.
    package mutating func damage(using random: inout SeededRandom) {
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            let place = Int.random(in: 0..<count, using: &random)
            switch UInt.random(in: 0..<3, using: &random) {
            case 0: self[place] = UInt8.random(in: .min ... .max, using: &random)
            case 1: insert(UInt8.random(in: .min ... .max, using: &random), at: place)
            default: if count > 1 { remove(at: place) }
            }
        }
    }
}
