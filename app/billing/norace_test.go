//go:build !race

package billing_test

const oneIn = 1
