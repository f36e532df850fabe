# bench: benchmarks beside real peers
