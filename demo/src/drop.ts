// Files dropped on the page, and those lying directly in dropped folders. Used by the model chooser and the
// evaluation page.
import { byId } from './dom.ts'

/** Calls back with the files that are dropped anywhere on the page; shows the veil #drop while they hover. */
export function onDrop(take: (files: readonly File[]) => void): void {
  const veil = byId('drop', HTMLElement)
  // dragenter and dragleave fire for every element passed; the veil goes when the last one is left.
  let depth = 0
  const carriesFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false
  const show = (nowDepth: number) => {
    depth = Math.max(0, nowDepth)
    veil.hidden = depth === 0
  }
  addEventListener('dragenter', event => {
    if (carriesFiles(event)) show(depth + 1)
  })
  addEventListener('dragleave', event => {
    if (carriesFiles(event)) show(depth - 1)
  })
  addEventListener('dragover', event => {
    if (carriesFiles(event)) event.preventDefault()
  })
  addEventListener('drop', event => {
    show(0)
    if (!event.dataTransfer || !carriesFiles(event)) return
    event.preventDefault()
    filesOf(event.dataTransfer).then(take)
  })
}

/** The dropped files, and those lying directly in dropped folders (a model directory). */
async function filesOf(transfer: DataTransfer): Promise<File[]> {
  // Entries must be taken before the first await: the list empties when the event ends.
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry?.() ?? null)
  const loose = [...transfer.files]
  const folders = entries.filter(entry => entry !== null && isFolder(entry))
  if (folders.length === 0) return loose
  const names = new Set(folders.map(folder => folder.name))
  const inside = await Promise.all(folders.map(filesInFolder))
  return [...loose.filter(file => !names.has(file.name)), ...inside.flat()]
}

async function filesInFolder(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const reader = folder.createReader()
  const files: File[] = []
  for (;;) {
    // readEntries returns at most 100 at a time, and an empty list at the end.
    const batch = await new Promise<FileSystemEntry[]>((done, fail) =>
      reader.readEntries(done, fail),
    )
    if (batch.length === 0) return files
    for (const entry of batch) {
      if (isFile(entry)) files.push(await new Promise<File>((done, fail) => entry.file(done, fail)))
    }
  }
}

// Chromium has these classes under other names than the standard's: their flags are what can be asked.
function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile
}
