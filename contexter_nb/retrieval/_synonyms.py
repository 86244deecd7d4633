"""What askers call things and what documentation calls them, as one small lexicon."""

from __future__ import annotations

import re
from functools import cache, lru_cache

# One group a line. "asked, asked > written, written": each left phrase leads to the
# right ones, best first. "a = b = c": each leads to all others. Plain words to precise
# ones, never back; one that means too much alone stands only in a phrase.
_LEXICON = """
# tables and frames
table, tabular data > dataframe
spreadsheet, workbook, xlsx > excel, dataframe
record, observation > row
column title, column heading, column header > column name, label
row name, row label > index
comma separated, comma delimited > csv
first lines, top rows > head
last lines, bottom rows > tail
number of rows, number of columns, how many rows > shape, len
pick columns, choose columns > select, filter
add column, new column > assign, insert
change name, change names > rename
by position > iloc, integer
cell > value, element
keep only, narrow down > filter, select, query
overview, summary > describe, info
data type, kind of data > dtype
change type, cast > astype, convert
go through, walk through, loop over > iterate
row by row, line by line > iterate, iterrows
custom function > apply, callable, user-defined
categorical = factor
one-hot, dummy variable > get_dummies, indicator

# missing and repeated data
empty cell, blank cell, missing value, missing entry, gap > NaN, NA, missing, null
missing data, absent > missing, NaN, null
null = NaN = NA
fill gap, fill empty, fill missing, replace missing > fillna, interpolate, NaN
remove missing, drop missing, remove empty > dropna, NaN
is missing, check missing, find missing > isna, isnull
carry forward, previous value > ffill, forward
carry backward, next value > bfill, backward
estimate between, in between > interpolate
duplicate, double, twice, repeated > duplicates, duplicated, unique
remove duplicate, without duplicates > drop_duplicates, unique
distinct = unique
substitute > replace
cap > clip, limit

# combining and reshaping
glue, stick together, put together, combine > concatenate, join, merge
one after another > concatenate, chain
stack vertically, on top of each other > vstack, vertical
side by side, next to each other > hstack, horizontal
common column, common key, sql join > merge, join
wide to long, columns to rows > melt, stack
long to wide, rows to columns > pivot, unstack
contingency table, cross tabulation > crosstab
swap rows and columns > transpose
list in cell, list into rows > explode
hierarchical, nested index, multi-level > MultiIndex, level
rearrange > reshape
flat, one-dimensional > flatten, ravel
add dimension, new dimension > expand_dims, newaxis
remove dimension, dimension of length one > squeeze
cut, break up, chop, divide into > split
piece, portion > split, chunk
mirror > flip
turn around, backwards, back to front > reverse, reversed, flip
turn image, turn matrix > rotate, rot90
shift circularly, cyclic > roll
move up, move down, previous row, lag > shift
copies of > repeat, tile, copy

# grouping, windows, ordering, counting
per group, by group, each group, split by > groupby
summarise, summarize, condense > aggregate, agg
aggregate = agg
moving window, sliding window, sliding > rolling, window
moving average, running average, running mean > rolling, mean
exponential weights, exponential smoothing > exponentially weighted, ewm
running total, cumulative total, accumulate > cumsum, cumulative
order, rank, arrange in order > sort
descending, high to low > sort, ascending
top n, n largest > nlargest
bottom n, n smallest > nsmallest
insertion point, keep sorted > searchsorted, bisect
how often, number of occurrences, tally > count, value_counts
how many > count, number
share, proportion > fraction, percentage, normalize
bucket, binning > bins, cut, digitize

# dates and time
moment, point in time > datetime, timestamp
date and time, timestamp > datetime
string to date, text to date, parse date > to_datetime, strptime
date to text, date to string, print date > strftime
duration, length of time, time span > timedelta
right now, current time, current date > now, today
time zone > tz, tzinfo, zoneinfo
convert time zone > tz_convert, astimezone
business day, working day, workday > business, bdate
day of week > weekday, dayofweek
range of dates, list of dates > date_range
daily to monthly, change frequency, per month > resample
epoch, unix time > timestamp
stopwatch, measure time, elapsed > perf_counter, timeit

# strings and text
text > string
letter, symbol > character, string
upper case, capital letters > upper, capitalize
lower case, small letters > lower, casefold
trim, surrounding spaces > strip, whitespace
space, blank > whitespace
indentation > indent, dedent
leading zeros > zfill, pad
align text > ljust, rjust, center
look for > search, find
starts with, begins with, beginning with > startswith, prefix
ends with, ending with > endswith, suffix
regular expression = regex
all matches, every match > findall, finditer
search and replace > replace, sub
wildcard > glob, fnmatch
line break, wrap lines > wrap, newline
character set, charset > encoding
placeholder, fill in > format, template
similar words, typo, close matches > difflib
special characters > escape, quote

# arrays and numbers
list of numbers > array
matrix > 2-D
filled with zeros > zeros
filled with ones > ones
evenly spaced, equally spaced, equal steps > linspace, arange
coordinate grid > meshgrid, mgrid
average > mean
typical value, middle value > median
most common, most frequent > mode, most_common
biggest, largest, highest, greatest > maximum, max
smallest, lowest, least > minimum, min
position of largest, index of biggest > argmax, idxmax
position of smallest, index of smallest > argmin, idxmin
add up, add together, total > sum
multiply together > prod, product
spread, variability > standard deviation, variance
std = standard deviation
percentile = quantile
decimal places, nearest integer > round, decimals
round up > ceil
round down > floor
remainder > modulo, mod
to the power of, raise to > power, exponent
square root > sqrt
without sign, magnitude > abs, absolute
nearly equal, almost equal, approximately equal > isclose, allclose, tolerance
at least one > any
all true, every element > all
yes or no, on or off, true or false > boolean
depending on, if else > where, select
bigger than memory, too big for memory, huge > memmap, memory-mapped, chunks
ram > memory
whole number > integer
infinite, infinity > inf, isfinite
position > index
difference between neighbours, change from one to next > diff
percent change, growth rate > pct_change
slope, derivative > gradient
area under curve, integrate > trapezoid, integral
line of best fit, trend line, curve fitting > polyfit, fit
in common, shared elements > intersection, intersect1d
only in one > difference, setdiff1d

# linear algebra, statistics, random numbers
system of equations, linear equations > solve, linalg
scalar product, inner product, dot product = dot
multiply matrices, matrix product > matmul, dot
invert matrix > inv, inverse
length of vector, magnitude of vector > norm
singular value decomposition = svd
eigenvalue, eigenvector > eig, eigh
upper triangle > triu, triangular
lower triangle > tril, triangular
identity matrix, unit matrix > eye, identity
fourier, spectrum > fft
smooth > convolve, rolling
how related, relationship between > correlation, corr
bell curve, gaussian > normal
random number > random, uniform, generator
random whole number > integers, randint
reproducible, same random numbers > seed, default_rng
pick at random, choose randomly, random subset > choice, sample
mix up, random order > shuffle, permutation
with probability > choices, weights

# plotting
chart, graph, diagram > plot
picture, drawing > figure, image
draw > plot
bar chart, column chart > bar
horizontal bar chart, sideways bars > barh
distribution of values > histogram, hist
box and whisker > boxplot
point cloud, dots, bubble chart > scatter
line chart, curve > plot, line
staircase > step, stairs
shaded area, shade between > fill_between
heat map, heatmap > imshow, pcolormesh
level lines, isolines > contour
arrows, vector field > quiver, streamplot
uncertainty, error margin > errorbar
vertical axis > y-axis, ylabel, yaxis
horizontal axis > x-axis, xlabel, xaxis
horizontal line > axhline, hlines
vertical line > axvline, vlines
three dimensional, 3d > mplot3d, projection
several plots, multiple plots > subplots
second axis, secondary axis > twinx, secondary_yaxis
axis title, axis caption > label, set_xlabel, set_ylabel
axis range, zoom in > xlim, ylim
logarithmic, log scale > yscale, semilogy, log
axis marks, numbers on axis > ticks, locator
tick format > formatter
caption, heading, headline > title, suptitle
key of plot > legend
callout, write on plot > annotate, text
colour = color
color palette, color scheme, palette > colormap, cmap
color legend, color scale > colorbar
see-through, transparent, transparency, opacity > alpha
line thickness, line width > linewidth
dashed, dotted > linestyle
letter size, text size, font size > fontsize
figure size, plot size > figsize
resolution > dpi
save plot, save figure, export plot > savefig
read image, load image > imread
overlapping labels, white space around > tight_layout, margins
border, frame around > spines, edge
look and feel, appearance, theme > style, rcParams
click, key press > event
movie > animation

# HTTP and the web
web address, link > url
domain > host
query string, url parameters > params, urlencode
download, fetch > get, request
web request, call api > request, http
submit, send form, send data > post, data
upload file, send file > files, multipart
log in, login, username and password, credentials > auth, authentication
reuse connections > client, session, pool
reply, server answer > response
http error, failed request > status, raise_for_status
moved page > redirect
wait at most, give up after, time limit > timeout
try again > retry, retries
connection refused, cannot connect, unreachable > ConnectError, ConnectionError
certificate, https > ssl, verify
piece by piece, large download > stream, chunks
web page > html

# files, folders, formats
folder, subfolder > directory
create folder, make folder, new folder > mkdir, makedirs
list files, files in folder > iterdir, listdir, glob
folder tree > walk, rglob
delete file, remove file > unlink, remove
delete folder, remove folder > rmtree, rmdir
copy file > copyfile, shutil
copy folder > copytree
rename file, move file > rename, move
file size, last changed > stat, size
file ending, file extension > suffix
drive, disk space > disk, disk_usage
current folder, working folder > cwd, getcwd
temporary file, scratch file > tempfile
whole file > read_text, read
store, persist > save, dump
unpack, unzip, extract archive > extractall, unpack_archive
compress > gzip, zipfile
object to json, to json > dumps, serialize
parse json, from json > loads, decode
preferences, user settings > config, options
save object > pickle, dump
program, executable > subprocess, command
command line arguments > argparse, argv
environment variable > environ, getenv

# processes, threads, async
run command, start program, shell command > subprocess, run
output of command > check_output, capture_output, stdout
kill, end process > terminate
in parallel, simultaneously, at same time > concurrent, multiprocessing
in background, background job > thread, task
thread pool > ThreadPoolExecutor, executor
one at a time, race condition > lock, semaphore
wait until finished, wait for thread > join, wait
postpone, delay > timer, sleep
pause > sleep
first in first out > queue
run concurrently, await several > gather, TaskGroup
abort > cancel, terminate
periodically, every minute > interval, sched
quit, end program > exit
on exit, at shutdown > atexit
ctrl-c > KeyboardInterrupt, signal

# errors, logging, inspection
stack trace, call stack, backtrace > traceback
failure, fault, crash > error, exception
throw, thrown > raise, exception
catch error, handle error, ignore error > except, suppress, exception
print messages, log messages > logging, logger
log to file > FileHandler
configure logging > basicConfig
verbosity, log level > setLevel, level
silence warnings, hide warnings > filterwarnings
step through > pdb, breakpoint
bottleneck, find slow > cProfile, profile
memory consumption > tracemalloc, memory_usage
source code > inspect
help text > docstring
fake object, stand-in > mock

# functions, classes, collections
fixed arguments, preset arguments > partial
remember results, memoize, memoise > cache, lru_cache
wrapper function > wraps, decorator
in pairs, pair up > zip
all combinations > product, combinations
in batches, in groups of n > batched, chunk
with counter > enumerate
dictionary, lookup table = dict
object to dict, as dictionary > asdict, to_dict
default for missing key > defaultdict, setdefault
double-ended > deque
priority queue > heapq
named constants > Enum
independent copy, clone > copy, deepcopy
lazily > generator, iterator
type hint > typing, annotation
unchangeable, read-only > immutable, frozen

# widgets and layout
drop-down, drop down, pull-down > dropdown
tick box, on and off switch > checkbox, toggle
clickable, push button > button, on_click
text box, text field, input field > text, textarea
pick date, date chooser > DatePicker
choose file > FileUpload
single choice > RadioButtons, dropdown
several choices, multiple choice > SelectMultiple
underneath, vertically > vbox, vertical
beside, horizontally > hbox, horizontal
collapsible, expandable > accordion
arrange > layout
mathematical notation > latex, math
react to change, when value changes > observe, callback
keep in sync, synchronise, synchronize > link
show progress > IntProgress, progress

# vector databases
vector store, vector database > collection
embedding > vector
most similar, closest > nearest, similarity
similarity measure > distance, cosine
metadata > payload
restrict search > filter, condition
add vectors, insert vectors > upsert
page through, next page > scroll, offset
suggest > recommend
hybrid search > fusion, prefetch
keyword search > sparse, text
smaller vectors > quantization
backup, back up, restore > snapshot

# identifiers and hashing
fingerprint, checksum > hash, digest
unique id, random id, unique identifier > uuid
password, secure random > secrets

# doing things
get rid of, throw away, discard, erase, eliminate > remove, drop, delete
remove = delete = drop
leave out, skip, omit > exclude, skip, drop
wipe, blank out > clear
make, build > create
turn into, transform > convert
modify, adjust, edit > set, update
look up, obtain, retrieve > get
execute, launch, invoke > run
show, render > display
fallback, if not given > default
"""
_WORD = re.compile(r"[a-z0-9_]+(?:[./'-][a-z0-9_]+)*")
_VOWEL = re.compile(r"[aeiouy]")
_ARTICLES = frozenset(("a", "an", "the", "my", "its", "their", "some", "i"))


def expansions(query: str) -> dict[str, float]:
    """Return what documentation may call the things a query speaks of.

    Parameters
    ----------
    query : str
        A question or keywords, in any case. Dotted and underscored names never
        expand.

    Returns
    -------
    dict of str to float
        Words and phrases that are not in the query, each with a weight in (0, 1].

    Examples
    --------
    >>> expansions("Get rid of a folder")
    {'remove': 1.0, 'drop': 0.8, 'delete': 0.67, 'directory': 1.0}
    """
    found: dict[str, float] = {}
    for _, _, terms in expanded_spans(query):
        for term, weight in terms.items():
            found[term] = max(weight, found.get(term, 0.0))
    return found


def expanded_spans(query: str) -> list[tuple[int, int, dict[str, float]]]:
    """Return the same by place: start, end and expansions of each phrase that has any.

    Examples
    --------
    >>> expanded_spans("Get rid of a folder")[1]
    (13, 19, {'directory': 1.0})
    """
    phrases, longest = _index()
    words = [
        (_stem(match.group()), match.start(), match.end())
        for match in _WORD.finditer(query.lower())
    ]
    has = frozenset(stem for stem, _, _ in words)
    words = [word for word in words if word[0] not in _ARTICLES]
    stems = [stem for stem, _, _ in words]
    spans = []
    at = 0
    while at < len(stems):
        # The longest phrase that starts here; its words say nothing more alone.
        for size in range(min(longest.get(stems[at], 0), len(stems) - at), 0, -1):
            group = phrases.get(" ".join(stems[at : at + size]))
            if group is not None:
                terms = {term: weight for term, parts, weight in group if parts - has}
                if terms:
                    spans.append((words[at][1], words[at + size - 1][2], terms))
                at += size
                break
        else:
            at += 1
    return spans


@cache
def _index() -> tuple[
    dict[str, list[tuple[str, frozenset[str], float]]], dict[str, int]
]:
    """Return the written terms by asked phrase; first words' longest phrases."""
    phrases: dict[str, list[tuple[str, frozenset[str], float]]] = {}
    longest: dict[str, int] = {}
    for line in _LEXICON.splitlines():
        for asked, written in _pairs(line):
            stems = _phrase(asked)
            longest[stems[0]] = max(len(stems), longest.get(stems[0], 0))
            group = phrases.setdefault(" ".join(stems), [])
            known = {term for term, _, _ in group}
            for place, term in enumerate(written):
                if term not in known:
                    weight = round(1 / (1 + place / 4), 2)
                    group.append((term, frozenset(_phrase(term)), weight))
    return phrases, longest


def _pairs(line: str) -> list[tuple[str, list[str]]]:
    """Return each asked phrase of a line with what it leads to."""
    if ">" in line:
        asked, written = (
            [each.strip() for each in side.split(",")] for side in line.split(">")
        )
        return [(each, written) for each in asked]
    if "=" in line:
        names = [each.strip() for side in line.split("=") for each in side.split(",")]
        return [(each, [name for name in names if name != each]) for each in names]
    return []


def _phrase(text: str) -> list[str]:
    stems = [_stem(word) for word in _WORD.findall(text.lower())]
    return [stem for stem in stems if stem not in _ARTICLES]


@lru_cache(maxsize=4096)
def _stem(word: str) -> str:
    """Return a word without its inflection, crudely: only equality matters."""
    for ending in ("ies", "ied"):
        if word.endswith(ending) and len(word) > 4:
            return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    for ending in ("ing", "ed"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) > 2 and _VOWEL.search(rest):
            word = rest
            if word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word.removesuffix("e") if len(word) > 3 else word
