//go:build race

package billing_test

// oneIn is how many of all orders are tried: the race detector makes each ten times slower, and go test
// without it tries them all.
const oneIn = 5
