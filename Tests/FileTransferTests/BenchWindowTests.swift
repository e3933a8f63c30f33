import Testing

@testable import FileTransfer

/// What of the samples of a phase counts.
@Suite struct BenchWindowTests {
    /// Samples each 100 ms, with so many bytes arriving in each.
    private func samples(_ byteCounts: [UInt64], every interval: Duration = .milliseconds(100)) -> [BenchSample] {
        var total: UInt64 = 0
        return byteCounts.enumerated().map { index, count in
            total += count
            return BenchSample(time: interval * (index + 1), byteCount: total)
        }
    }

    @Test func slowStartIsLeftOut() throws {
        // A second in which little comes, and then two of 1000 bytes in each 100 ms.
        let window = try #require(
            BenchWindow(
                samples(Array(repeating: 10, count: 10) + Array(repeating: 1000, count: 20)), warmUp: .seconds(1)))
        #expect(window.isWarm)
        #expect(window.start == .seconds(1) && window.duration == .seconds(2))
        #expect(window.byteCount == 20_000)
        #expect(window.bytesPerSecond == 10_000)
        #expect(window.rates.count == 20 && window.rates.allSatisfy { abs($0 - 10_000) < 1e-6 })
    }

    /// The parts of a long window are seconds, and what comes between two samples counts for both parts it lies in.
    @Test func partsOfALongWindow() throws {
        let counts = (0..<60).map { UInt64($0 < 30 ? 100 : 300) }
        let window = try #require(BenchWindow(samples(counts), warmUp: .zero))
        #expect(window.start == .milliseconds(100))
        #expect(window.rates.count == 6)
        #expect(window.partDuration == .milliseconds(5900) / 6)
        #expect(abs(window.leastRate - 1000) < 1e-6 && abs(window.mostRate - 3000) < 1e-6)
        #expect(window.leastRate <= window.medianRate && window.medianRate <= window.mostRate)
        let mean = window.rates.reduce(0, +) / Double(window.rates.count)
        #expect(abs(mean - window.bytesPerSecond) < 1e-6)
    }

    /// Samples that come late, or not at all for a while, change neither the rate nor the number of parts.
    @Test func samplesNeedNotBeRegular() throws {
        let irregular = [0.3, 0.45, 1.0, 1.02, 1.9, 2.6, 3.0].map {
            BenchSample(time: .seconds($0), byteCount: UInt64($0 * 1_000_000))
        }
        let window = try #require(BenchWindow(irregular, warmUp: .seconds(1)))
        #expect(abs(window.bytesPerSecond - 1_000_000) < 1)
        #expect(window.rates.count == 20 && window.rates.allSatisfy { abs($0 - 1_000_000) < 10 })
    }

    @Test func windowThatEndedBeforeItWasWarm() throws {
        let short = try #require(BenchWindow(samples([100, 100, 100]), warmUp: .seconds(1)))
        #expect(!short.isWarm && short.start == .zero && short.byteCount == 300)
        #expect(short.bytesPerSecond == 1000)
        // As little comes after the warm-up as says nothing.
        let late = try #require(
            BenchWindow(samples(Array(repeating: 100, count: 13)), warmUp: .seconds(1)))
        #expect(!late.isWarm && late.byteCount == 1300)
    }

    /// Nothing at all for a while is a figure too.
    @Test func pathThatHasStopped() throws {
        let window = try #require(
            BenchWindow(samples(Array(repeating: 10, count: 10) + Array(repeating: 0, count: 10)), warmUp: .seconds(1)))
        #expect(window.isWarm && window.byteCount == 0 && window.bytesPerSecond == 0 && window.mostRate == 0)
    }

    @Test func nothingToMeasure() {
        #expect(BenchWindow([], warmUp: .zero) == nil)
        #expect(BenchWindow([BenchSample(time: .zero, byteCount: 5)], warmUp: .zero) == nil)
        #expect(BenchWindow(samples([0, 0, 0, 0, 0, 0, 0, 0]), warmUp: .zero) == nil)
    }

    @Test(
        arguments: [([], nil), ([3], 3), ([5, 1], 3), ([9, 1, 4], 4), ([1, 2, 3, 100], 2.5)] as [([Double], Double?)])
    func medians(values: [Double], median: Double?) {
        #expect(values.median == median)
    }

    @Test func roundTrips() {
        #expect(BenchRoundTrips(.ping, []) == nil)
        let trips = BenchRoundTrips(.ping, [3, 1, 2].map { Duration.milliseconds($0) })
        #expect(
            trips
                == BenchRoundTrips(
                    .ping, least: .milliseconds(1), median: .milliseconds(2), most: .milliseconds(3)))
    }
}
