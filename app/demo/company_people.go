package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// person is somebody who buys, and what.
type person struct {
	name, email string // name may be ""
	price       string // lookup key
	trialDays   int
}

func (p person) who() string {
	if p.name == "" {
		return p.email
	}
	return p.name
}

// strangers are who will buy after the history, each once.
func strangers(rng *rand.Rand) []person {
	given := strings.Fields("Ada Bram Chiara Dmitri Elif Farid Greta Hiro Ines Jonas Kaja Liam Mira Noor Oskar Priya Quentin Rosa Sven Tala Umar Vera Wanda Yuki Zoe")
	family := strings.Fields("Adler Berg Castro Dahl Eriksen Fischer Garcia Haddad Ito Jensen Kaya Lopez Moreau Novak Okafor Petrov Rossi Silva Tanaka Vogel Weber Yilmaz Zhang")
	prices := [...]string{"starter", "starter", "team", "team", "team", "scale"}
	var list []person
	for _, n := range rng.Perm(len(given) * len(family)) {
		first, last := given[n%len(given)], family[n/len(given)]
		list = append(list, person{name: first + " " + last, price: prices[rng.IntN(len(prices))],
			email: fmt.Sprintf("%s@%s.example", strings.ToLower(first), strings.ToLower(last))})
	}
	return list
}
