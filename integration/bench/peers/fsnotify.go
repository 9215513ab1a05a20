// The obvious peer: what one writes in an afternoon. A timer for each file, eight workers, nothing on disk:
// what it knows when it stops is forgotten, a writer that pauses is announced, a receiver that is down loses
// the event, and a full kernel queue loses files.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

const workers = 8

func main() {
	root, url := os.Args[1], os.Args[2]
	quiet, err := time.ParseDuration(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		log.Fatal(err)
	}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			err = watcher.Add(path)
		}
		return err
	})
	if err != nil {
		log.Fatal(err)
	}

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
	settled := make(chan string, 1024)
	for i := 0; i < workers; i++ {
		go func() {
			for path := range settled {
				post(client, url, root, path)
			}
		}()
	}

	var lock sync.Mutex
	timers := map[string]*time.Timer{}
	fmt.Println("ready")
	for {
		select {
		case event := <-watcher.Events:
			if event.Op&(fsnotify.Create|fsnotify.Write) == 0 {
				continue
			}
			path := event.Name
			lock.Lock()
			if timer, ok := timers[path]; ok {
				timer.Reset(quiet)
			} else {
				timers[path] = time.AfterFunc(quiet, func() {
					lock.Lock()
					delete(timers, path)
					lock.Unlock()
					settled <- path
				})
			}
			lock.Unlock()
		case err := <-watcher.Errors:
			log.Print(err)
		}
	}
}

func post(client *http.Client, url, root, path string) {
	rel, _ := filepath.Rel(root, path)
	body, _ := json.Marshal(map[string]string{"type": "file.landed", "path": path, "rel_path": rel})
	answer, err := client.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		log.Print(err)
		return
	}
	io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
}
