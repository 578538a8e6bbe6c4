// Command linearizability reads a history (JSON lines) and says whether it is linearizable: the judge is
// Porcupine. Each key is checked for itself, which is enough: linearizability is local.
//
//	linearizability [-seconds N] [-visualize FOLDER] FILE
//
// It prints one JSON object and ends with 0 only for a history that is linearizable. A check that ran out of
// time is no pass.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// A line is one operation with short values.
const lineBytesMax = 1 << 20

type judgement struct {
	// "linearizable", "not linearizable" or "not decided".
	Verdict    string   `json:"verdict"`
	Keys       int      `json:"keys"`
	Operations int      `json:"operations"`
	Bad        []string `json:"bad"`
	Undecided  []string `json:"undecided"`
	Seconds    float64  `json:"seconds"`
}

func main() {
	seconds := flag.Float64("seconds", 60, "time for the whole history")
	visualize := flag.String("visualize", "", "folder for a page for each bad key")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	keys, err := read(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	judged := judge(keys, time.Duration(*seconds*float64(time.Second)), *visualize)
	if err := json.NewEncoder(os.Stdout).Encode(judged); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if judged.Verdict != "linearizable" {
		os.Exit(1)
	}
}

// read returns the operations that may have had an effect, by key.
func read(file string) (map[string][]porcupine.Operation, error) {
	opened, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	keys := map[string][]porcupine.Operation{}
	clients := map[string]int{}
	lines := bufio.NewScanner(opened)
	lines.Buffer(nil, lineBytesMax)
	for number := 1; lines.Scan(); number++ {
		var op operation
		if err := json.Unmarshal(lines.Bytes(), &op); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, number, err)
		}
		if op.Outcome != "ok" && op.Outcome != "unknown" {
			continue // failed certainly: nothing may show of it
		}
		end := op.EndNs
		if op.unknown() {
			if op.Kind == "read" {
				continue
			}
			end = math.MaxInt64 // it may take effect at any time
		}
		client, known := clients[op.Process]
		if !known {
			client = len(clients)
			clients[op.Process] = client
		}
		keys[op.Key] = append(keys[op.Key], porcupine.Operation{
			ClientId: client, Input: op, Call: op.StartNs, Return: end,
		})
	}
	return keys, lines.Err()
}

func judge(keys map[string][]porcupine.Operation, limit time.Duration, visualize string) judgement {
	begin := time.Now()
	judged := judgement{Verdict: "linearizable", Keys: len(keys), Bad: []string{}, Undecided: []string{}}
	names := make([]string, 0, len(keys))
	for name := range keys {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		operations := keys[name]
		judged.Operations += len(operations)
		left := limit - time.Since(begin)
		if left <= 0 { // 0 would be no limit
			judged.Undecided = append(judged.Undecided, name)
			continue
		}
		model := modelOf(operations)
		result, info := porcupine.CheckOperationsVerbose(model, operations, left)
		switch result {
		case porcupine.Illegal:
			judged.Bad = append(judged.Bad, name)
			if visualize != "" {
				page := filepath.Join(visualize, fmt.Sprintf("bad-key-%d.html", len(judged.Bad)))
				if err := porcupine.VisualizePath(model, info, page); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
			}
		case porcupine.Unknown:
			judged.Undecided = append(judged.Undecided, name)
		}
	}
	if len(judged.Bad) > 0 {
		judged.Verdict = "not linearizable"
	} else if len(judged.Undecided) > 0 {
		judged.Verdict = "not decided"
	}
	judged.Seconds = time.Since(begin).Seconds()
	return judged
}

// modelOf tells a counter by its increments.
func modelOf(operations []porcupine.Operation) porcupine.Model {
	for _, each := range operations {
		if each.Input.(operation).Kind == "increment" {
			return counter
		}
	}
	return register
}
