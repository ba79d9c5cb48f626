.DEFAULT_GOAL := help
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
GO_TOOLS := go tool -modfile=tools/go.mod

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/rowpass
	@CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(VERSION)" -o bin/rowpass ./cmd/rowpass

run: build ## build and serve the demo of config.yaml on a private PostgreSQL
	@exec bin/rowpass serve

test: ## run every test on a private PostgreSQL; RACE=-race for the race detector
	go test $(RACE) ./...

lint: ## check formatting, vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these files"; exit 1; }
	go vet ./...
	$(GO_TOOLS) staticcheck ./...
	cd examples/verify-tokens && go vet ./... && go tool -modfile=../../tools/go.mod staticcheck ./...

bench: ## print rowpass beside its limits, as ratios
	go test ./api ./doctor ./identity -run '^$$' -bench . -benchtime 2s

.PHONY: help build run test lint bench
