// A client of the lab as a Go service would have one: net/http with its pool, contexts that end, retries and streams.
// client BASE PATH, where PATH is the beginning of the requests' paths.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

var base = os.Args[1] + os.Args[2]

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func do(client *http.Client, ctx context.Context, method, url string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, base+url, body)
	check(err)
	request.Host = "hello.example"
	return client.Do(request)
}

func whole(client *http.Client, method, url string, body io.Reader) {
	response, err := do(client, context.Background(), method, url, body)
	check(err)
	_, err = io.Copy(io.Discard, response.Body)
	check(err)
	check(response.Body.Close())
	if response.StatusCode != 200 {
		check(fmt.Errorf("%s %s: %s", method, url, response.Status))
	}
}

// 40 GETs by 8 goroutines that share a pool.
func pooled(client *http.Client) {
	var group sync.WaitGroup
	for worker := 0; worker < 8; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for n := 0; n < 5; n++ {
				whole(client, "GET", "/pooled", nil)
			}
		}()
	}
	group.Wait()
}

// 4 bodies of known and of unknown length; the latter are chunked.
func posts(client *http.Client) {
	for n := 0; n < 4; n++ {
		whole(client, "POST", "/post?sink=1", bytes.NewReader(make([]byte, 1000*n+1)))
		whole(client, "POST", "/post?sink=1", io.LimitReader(strings.NewReader(strings.Repeat("x", 9000)), int64(2000*n+1)))
	}
}

// 3 downloads that are given up when their beginning has come.
func cancelled(client *http.Client) {
	for n := 0; n < 3; n++ {
		ctx, cancel := context.WithCancel(context.Background())
		response, err := do(client, ctx, "GET", "/cancelled?sink=/download/chunked/50000000", nil)
		check(err)
		_, err = io.ReadFull(response.Body, make([]byte, 10))
		check(err)
		cancel()
		response.Body.Close()
	}
}

// 3 requests that time out, each tried again by the client at once.
func retried(client *http.Client) {
	for n := 0; n < 3; n++ {
		ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
		_, err := do(client, ctx, "GET", "/late?sink=/late/600", nil)
		if err == nil {
			check(fmt.Errorf("a late answer was in time"))
		}
		cancel()
		whole(client, "GET", "/retried", nil)
	}
}

// A body that is written slowly, in three pieces.
func slow(client *http.Client) {
	reader, writer := io.Pipe()
	go func() {
		for n := 0; n < 3; n++ {
			fmt.Fprintf(writer, "piece %d", n)
			time.Sleep(100 * time.Millisecond)
		}
		writer.Close()
	}()
	whole(client, "PUT", "/slow?sink=1", reader)
}

func main() {
	client := &http.Client{Timeout: 20 * time.Second}
	pooled(client)
	posts(client)
	cancelled(client)
	retried(client)
	slow(client)
	// A connection for each.
	alone := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for n := 0; n < 5; n++ {
		whole(alone, "GET", "/alone", nil)
	}
}
