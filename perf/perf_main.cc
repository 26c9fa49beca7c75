// SPDX-License-Identifier: BSD-3-Clause
// Hands the cases of perf.h to Google Benchmark and writes their rows: the only C++ of the project.
//
//   perf_micro [--quick] [--benchmark_filter=REGEX] [--benchmark_min_time=SECONDS]
#include "perf/perf.h"

#include <algorithm>
#include <benchmark/benchmark.h>
#include <cstring>
#include <ctime>
#include <iostream>
#include <vector>

namespace
{

constexpr double window_s = 300e-6;

double now_s(bool waits)
{
	timespec now;

	clock_gettime(waits ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &now);
	return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double time_calls(void (*call)(void *state), void *state, unsigned int calls, bool waits)
{
	double began = now_s(waits);

	for (unsigned int i = 0; i < calls; i++)
		call(state);
	return now_s(waits) - began;
}

// So many calls that a window is long enough to be timed.
unsigned int calls_of(void (*call)(void *state), void *state, bool waits)
{
	unsigned int calls = 1;

	(void)time_calls(call, state, 1, waits); // caches are warm afterwards
	while (calls < (1u << 24) && time_calls(call, state, calls, waits) < window_s)
		calls *= 2;
	return calls;
}

double median(std::vector<double> &values)
{
	size_t middle = values.size() / 2;

	std::nth_element(values.begin(), values.begin() + static_cast<long>(middle), values.end());
	return values[middle];
}

void measure(benchmark::State &state, const perf_case *it)
{
	perf_run run = {it, nullptr, 0, ""};
	std::vector<double> own, peers, ratios;
	unsigned int calls, peer_calls = 0;

	if (it->begin(&run) != 0) {
		state.SkipWithError(run.why);
		return;
	}
	calls = calls_of(it->run, run.state, it->waits);
	if (it->ceiling != nullptr)
		peer_calls = calls_of(it->ceiling, run.state, it->waits);
	for (auto _ : state) {
		double took = time_calls(it->run, run.state, calls, it->waits) / calls;

		own.push_back(took);
		state.SetIterationTime(took * calls);
		if (it->ceiling == nullptr)
			continue;
		peers.push_back(
			time_calls(it->ceiling, run.state, peer_calls, it->waits) / peer_calls);
		ratios.push_back(peers.back() / took);
	}
	state.counters["value"] = run.amount / median(own);
	if (!ratios.empty()) {
		state.counters["peer"] = run.amount / median(peers);
		state.counters["ratio"] = median(ratios);
	}
	if (it->end != nullptr)
		it->end(run.state);
}

const perf_case *case_named(const std::string &name)
{
	const perf_case *it;

	for (size_t i = 0; (it = perf_get(i)) != nullptr; i++) {
		if (name == it->name)
			return it;
	}
	return nullptr;
}

class rows : public benchmark::BenchmarkReporter
{
      public:
	bool ReportContext(const Context &) override
	{
		return true;
	}

	void ReportRuns(const std::vector<Run> &reports) override
	{
		for (const Run &report : reports)
			report_one(report);
	}

      private:
	static void report_one(const Run &report)
	{
		const perf_case *it = case_named(report.run_name.function_name);

		if (it == nullptr)
			return;
		if (report.error_occurred) {
			std::cerr << "left out: " << it->name << ": " << report.error_message
				  << "\n";
			return;
		}
		// Bytes are told in thousands of millions, all else as it is.
		bool is_bytes = std::strcmp(it->unit, "B/s") == 0;
		double scale = is_bytes ? 1e-9 : 1;
		const char *unit = is_bytes ? "GB/s" : it->unit;

		if (it->ceiling == nullptr)
			perf_row(it->name, report.counters.at("value") * scale, unit, nullptr, 0);
		else
			perf_row_ratio(it->name, report.counters.at("value") * scale, unit,
				it->against, report.counters.at("peer") * scale,
				report.counters.at("ratio"));
	}
};

} // namespace

int main(int argc, char **argv)
{
	bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
	const perf_case *it;
	rows reporter;

	if (quick) {
		argv[1] = argv[0];
		argv++;
		argc--;
	}
	for (size_t i = 0; (it = perf_get(i)) != nullptr; i++) {
		if (quick && it->is_long)
			continue;
		benchmark::RegisterBenchmark(it->name, measure, it)
			->UseManualTime()
			->MinTime(quick ? 0.012 : 0.5);
	}
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 2;
	benchmark::RunSpecifiedBenchmarks(&reporter);
	return 0;
}
