package main

import (
	"fmt"
	"strconv"

	"github.com/anishathalye/porcupine"
)

// operation is one line of a history; e2e/history/operation.ts says what its fields mean.
type operation struct {
	Process  string `json:"process"`
	Shard    int    `json:"shard"`
	Key      string `json:"key"`
	Kind     string `json:"kind"`
	Value    string `json:"value"`
	Expected string `json:"expected"`
	StartNs  int64  `json:"startNs,string"`
	EndNs    int64  `json:"endNs,string"`
	Outcome  string `json:"outcome"`
	Result   any    `json:"result"`
	Error    string `json:"error"`
}

func (o operation) unknown() bool { return o.Outcome == "unknown" }

// value is what a key holds: a text, or nothing.
type value struct {
	there bool
	text  string
}

// register holds the texts that are written, or compared and set. Input and output of a step are the same
// operation: what was asked, and what the client learned.
var register = porcupine.Model{
	Init: func() any { return value{} },
	Step: func(state, input, _ any) (bool, any) {
		now, op := state.(value), input.(operation)
		switch op.Kind {
		case "read":
			return holds(now, op.Result), now
		case "write":
			return true, value{true, op.Value}
		case "compare-and-set":
			equal := now == value{true, op.Expected}
			next := now
			if equal {
				next = value{true, op.Value}
			}
			return op.unknown() || op.Result == equal, next
		}
		return false, now
	},
	DescribeOperation: describe,
}

// counter holds the sum of its increments by one; absent, it counts as 0.
var counter = porcupine.Model{
	Init: func() any { return value{} },
	Step: func(state, input, _ any) (bool, any) {
		now, op := state.(value), input.(operation)
		switch op.Kind {
		case "read":
			return holds(now, op.Result), now
		case "increment":
			sum := 1
			if now.there {
				old, err := strconv.Atoi(now.text)
				if err != nil {
					return false, now
				}
				sum = old + 1
			}
			next := value{true, strconv.Itoa(sum)}
			return op.unknown() || op.Result == next.text, next
		}
		return false, now
	},
	DescribeOperation: describe,
}

func holds(now value, result any) bool {
	text, there := result.(string)
	return now == value{there, text}
}

func describe(input, _ any) string {
	op := input.(operation)
	if op.unknown() {
		return fmt.Sprintf("%s %s %s: unknown (%s)", op.Kind, op.Expected, op.Value, op.Error)
	}
	return fmt.Sprintf("%s %s %s: %v", op.Kind, op.Expected, op.Value, op.Result)
}
