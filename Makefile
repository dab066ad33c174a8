# The front door. CMake and the scripts in tools/ do the work; see CMakePresets.json for the other builds.
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60

.PHONY: all demo test bench fuzz coverage format check install clean

all: ## the program: build/release/dure
	@tools/install-packages --build
	@tools/build release

demo: ## packages, build, and a talk with the built-in model
	@tools/demo

test: ## everything: unit, end to end, sanitizers, short fuzzing, checks
	@tools/test

bench: ## benchmarks, one JSON line each figure
	@tools/install-packages --test
	@tools/bench

fuzz: ## every fuzzer for FUZZ_SECONDS (60)
	@tools/install-packages --test
	@tools/fuzz $(FUZZ_SECONDS)

coverage: ## the unit and end-to-end suites, and what they reach: build/coverage/report.html
	@tools/install-packages --test
	@tools/coverage

format: ## clang-format over every C file
	@tools/format

check: ## formatting, forbidden calls, Korean messages, clang-tidy, both compilers with warnings as errors
	@tools/install-packages --test
	@tools/check

install: all ## program, library, header, pkg-config file, man page, completions; honours DESTDIR and PREFIX
	@cmake --install build/release --prefix "$(PREFIX)"

clean: ## all builds; the fetched model and the Python environment stay
	@if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name models ! -name venv -exec rm -rf {} +; fi
