// SPDX-License-Identifier: BSD-3-Clause
#include "perf/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// About by their frequency in mail.
static const char *const words[] = {"the", "to", "and", "of", "a", "you", "in", "is", "for", "we",
	"it", "that", "on", "this", "your", "be", "with", "have", "are", "our", "if", "as", "will",
	"not", "can", "from", "at", "or", "please", "by", "all", "any", "has", "was", "but", "an",
	"me", "my", "they", "do", "so", "there", "which", "us", "more", "would", "know", "mail",
	"one", "time", "new", "about", "been", "when", "out", "up", "get", "let", "no", "need",
	"also", "what", "their", "use", "just", "like", "other", "some", "should", "order", "work",
	"who", "make", "only", "day", "date", "number", "next", "week", "now", "than", "them",
	"were", "how", "call", "see", "send", "here", "first", "meeting", "thank", "thanks",
	"customer", "may", "could", "two", "through", "price", "service", "each", "team", "back",
	"after", "these", "before", "over", "list", "report", "information", "into", "following",
	"people", "change", "question", "business", "office", "many", "year", "month", "today",
	"invoice", "project", "attach", "file", "address", "contact", "help", "company", "good",
	"want", "because", "believe", "review", "system", "product", "think", "such", "where",
	"much", "then", "part", "very", "take", "most", "well", "until", "same", "free", "offer",
	"account", "own", "year's", "look", "regards", "hello", "dear", "best", "kind", "copy",
	"document", "form", "plan", "provide", "right", "group", "question", "problem", "issue",
	"market", "contract", "draft", "deal", "power", "gas", "trade", "energy", "cost", "total",
	"amount", "pay", "payment", "credit", "rate", "tax", "bank", "card", "money", "sale",
	"store", "delivery", "package", "ship", "track", "return", "receive", "confirm", "reply",
	"forward", "write", "read", "message", "subject", "note", "discuss", "agree", "schedule",
	"morning", "afternoon", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "January",
	"February", "March", "April", "June", "July", "August", "September", "October", "November",
	"December", "London", "Berlin", "Paris", "Vienna", "Madrid", "Boston", "member", "manager",
	"director", "department", "employee", "partner", "client", "supplier", "staff", "board",
	"support", "request", "require", "include", "complete", "continue", "consider", "expect",
	"suggest", "prepare", "develop", "increase", "reduce", "improve", "allow", "follow",
	"result", "process", "level", "point", "case", "example", "reason", "idea", "page", "line",
	"word", "name", "place", "side", "end", "start", "begin", "open", "close", "stop", "move",
	"run", "turn", "show", "play", "keep", "hold", "bring", "leave", "meet", "join", "visit",
	"travel", "flight", "hotel", "room", "book", "ticket", "train", "station", "street", "city",
	"country", "state", "world", "national", "public", "local", "general", "special", "certain",
	"clear", "possible", "available", "important", "different", "large", "small", "great",
	"little", "long", "short", "high", "low", "early", "late", "full", "empty", "ready", "sure",
	"happy", "sorry", "real", "true", "wrong", "simple", "hard", "easy", "fast", "slow",
	"strong", "whole", "final", "recent", "current", "several", "second", "third", "hundred",
	"thousand", "million", "percent", "figure", "table", "chart", "graph", "summary", "detail",
	"section", "chapter", "article", "paper", "letter", "picture", "photo", "image", "video",
	"music", "film", "game", "child", "family", "friend", "parent", "mother", "father",
	"school", "student", "teacher", "course", "class", "study", "test", "exam", "degree",
	"research", "science", "health", "doctor", "hospital", "medicine", "patient", "treatment",
	"food", "water", "coffee", "lunch", "dinner", "kitchen", "garden", "house", "home", "door",
	"window", "wall", "floor", "roof", "light", "colour", "green", "white", "black", "yellow",
	"summer", "winter", "spring", "weather", "rain", "snow", "computer", "network", "server",
	"software", "program", "version", "update", "install", "password", "user", "access",
	"security", "data", "database", "record", "storage", "backup", "disk", "memory", "screen",
	"keyboard", "printer", "phone", "mobile", "internet", "website", "browser", "link", "click",
	"button", "download", "upload", "search", "engine", "machine", "equipment", "material",
	"metal", "steel", "paint", "wood", "paper", "plastic", "glass", "stone", "construct",
	"build", "design", "model", "type", "size", "weight", "length", "width", "height", "depth",
	"distance", "speed", "force", "pressure", "temperature", "quality", "standard", "measure",
	"control", "monitor", "inspect", "certificate", "licence", "permit", "policy", "rule",
	"law", "court", "claim", "insurance", "risk", "loss", "damage", "profit", "margin",
	"budget", "forecast", "estimate", "quarter", "annual", "finance", "invest", "fund", "share",
	"stock", "exchange", "currency", "euro", "dollar", "pound", "balance", "statement",
	"transfer", "deposit", "interest", "loan", "mortgage", "property", "rent", "apartment",
	"neighbour", "community", "council", "government", "minister", "election", "vote", "party",
	"campaign", "union", "strike", "agreement", "negotiate", "proposal", "tender", "auction",
	"bid", "purchase", "discount"};
#define WORDS (sizeof(words) / sizeof(words[0]))

static const char *const endings[] = {"", "s", "ed", "ing", "er", "ly", "ment"};
#define ENDINGS (sizeof(endings) / sizeof(endings[0]))

static size_t put_form(size_t rank, char *out)
{
	return (size_t)snprintf(
		out, WORD_BYTES, "%s%s", words[rank % WORDS], endings[rank / WORDS % ENDINGS]);
}

size_t word_draw(struct dice *dice, char *out)
{
	static const uint64_t forms = WORDS * ENDINGS;
	double share = (double)(dice_next(dice) >> 11) / 0x1p53;

	// What lies evenly on a scale of logarithms is of Zipf's distribution.
	return put_form((size_t)exp(share * log((double)forms)) - 1, out);
}

size_t word_any(struct dice *dice, char *out)
{
	return put_form(dice_below(dice, WORDS), out);
}
