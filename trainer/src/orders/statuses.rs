//! The meaning of status words: bought, or a purchase that was cancelled or refunded.
//!
//! Words are compared without case, spaces and punctuation. An unknown word counts as bought, unless a part of it
//! means cancelled; in both cases the account lists it with its rows.

use crate::config::{StatusMeaning, folded};
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::collections::BTreeMap;

/// Words for completed purchases, including partly refunded ones.
#[rustfmt::skip]
const BOUGHT: &[&str] = &[
    "paid", "complete", "completed", "done", "finished", "success", "successful", "succeeded", "ok", "active",
    "confirmed", "approved", "accepted", "authorized", "captured", "settled", "processing", "processed",
    "in process", "preparing", "ready", "packed", "picked", "shipped", "partially shipped", "in transit",
    "dispatched", "out for delivery", "delivered", "received", "fulfilled", "partially fulfilled", "unfulfilled",
    "invoiced", "sold", "sale", "purchase", "purchased", "bought", "buy", "order", "ordered", "transaction",
    "partially refunded", "partially paid", "partial refund", "normal", "valid", "regular", "wc completed",
    "wc processing", "trade finished", "trade success", "wait seller send goods", "wait buyer confirm goods",
    "trade buyer signed", "seller consigned part", "交易成功", "交易完成", "已完成", "完成", "订单完成", "已付款",
    "付款成功", "买家已付款", "买家已付款等待卖家发货", "等待卖家发货", "等待发货", "待发货", "备货中",
    "卖家已发货", "卖家已发货等待买家确认", "已发货", "部分发货", "配送中", "待收货", "待确认收货", "已签收",
    "已收货", "确认收货", "待评价", "已评价", "已支付", "支付成功", "已结账", "已结算", "已完结", "已核销",
    "已成团", "已成团待发货", "部分退款", "正常", "有效", "成功", "销售", "售出", "出货", "已出库", "已送达",
    "已接单", "待自提", "已自提", "完了", "発送済み", "発送済", "支払済み", "支払い済み", "入金済み", "配達済み",
    "配達完了", "결제완료", "배송완료", "배송중", "구매확정", "상품준비중", "거래완료", "bezahlt", "abgeschlossen",
    "versendet", "versandt", "geliefert", "zugestellt", "in bearbeitung", "offen bezahlt", "payé", "payée",
    "terminé", "terminée", "expédié", "expédiée", "livré", "livrée", "pagado", "completado", "enviado", "entregado",
    "pago", "concluído", "entregue", "pagato", "completato", "spedito", "consegnato", "betaald", "verzonden",
    "afgerond", "оплачен", "выполнен", "доставлен", "отправлен", "завершен",
];

/// Words for purchases that were cancelled, or refunded completely.
#[rustfmt::skip]
const CANCELLED: &[&str] = &[
    "cancelled", "canceled", "cancel", "cancelled by customer", "cancelled by seller", "void", "voided", "refunded",
    "refund", "fully refunded", "returned", "return", "failed", "failure", "payment failed", "expired", "declined",
    "rejected", "denied", "reversed", "revoked", "chargeback", "charged back", "unpaid", "not paid", "notpay",
    "payerror", "awaiting payment", "pending payment", "payment pending", "wait buyer pay", "checkout draft",
    "abandoned", "deleted", "invalid", "fraud", "suspected fraud", "trash", "trade closed",
    "trade closed by taobao", "trade canceled", "wc cancelled", "wc refunded", "wc failed", "wc pending",
    "交易关闭", "交易關閉", "訂單取消", "已退貨", "交易取消", "已关闭", "订单关闭", "关闭", "已取消", "取消", "订单取消", "已撤销", "撤单",
    "退款成功", "已退款", "全额退款", "退款完成", "退款", "已退货", "退货", "退货退款", "退货完成", "退单",
    "已退单", "退貨", "退回", "已退回", "已拒收", "拒收", "作废", "已作废", "无效", "待付款", "等待买家付款", "等待付款", "未付款", "未支付",
    "待支付", "支付失败", "付款失败", "交易失败", "不成立", "订单不成立", "訂單不成立", "已删除", "已刪除", "超时关闭", "超时未支付", "未成团", "キャンセル",
    "キャンセル済み", "返金済み", "返金", "返品", "返品済み", "未払い", "入金待ち", "취소", "주문취소", "취소완료",
    "결제취소", "환불", "환불완료", "반품", "반품완료", "미결제", "입금대기", "storniert", "storno", "annulliert",
    "erstattet", "zurückgegeben", "retourniert", "nicht bezahlt", "fehlgeschlagen", "annulé", "annulée",
    "remboursé", "remboursée", "retourné", "échoué", "impayé", "anulado", "cancelado", "cancelada", "reembolsado",
    "devuelto", "estornado", "devolvido", "annullato", "rimborsato", "reso", "geannuleerd", "terugbetaald",
    "отменен", "отменён", "возврат", "возвращен", "не оплачен",
];

/// Parts of words that mean cancelled or refunded.
#[rustfmt::skip]
const CANCELLED_PARTS: &[&str] = &[
    "cancel", "refunded", "void", "chargeback", "已取消", "交易关闭", "退款成功", "全额退款", "已退款", "作废",
    "キャンセル", "취소", "storn", "annul", "anulad",
];

/// Parts of words that mean a partial refund.
const PARTLY: &[&str] = &["部分", "partial", "teil", "partiel", "parcial"];

/// A word of the column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Rows.
    pub rows: u64,
    /// The meaning that was used.
    pub meaning: &'static str,
    /// True if the table or the configuration has the word.
    pub known: bool,
    /// Lines of the first rows.
    pub lines: Vec<u64>,
}

/// Lines that are kept as examples of a word.
const EXAMPLES: usize = 3;

#[derive(Debug)]
struct Seen {
    meaning: StatusMeaning,
    known: bool,
    rows: u64,
    lines: Vec<u64>,
}

/// The words seen so far.
#[derive(Debug, Default)]
pub struct Statuses {
    configured: FxHashMap<String, StatusMeaning>,
    seen: FxHashMap<Box<str>, Seen>,
}

/// Most words that are counted separately; a column with more is not a status.
const MAX_WORDS: usize = 10_000;

impl Statuses {
    /// Starts with the words of the configuration.
    pub fn new(configured: &BTreeMap<String, StatusMeaning>) -> Self {
        let configured = configured.iter().map(|(word, meaning)| (folded(word), *meaning)).collect();
        Self { configured, seen: FxHashMap::default() }
    }

    /// The meaning of a word; counts its row and keeps example lines.
    pub fn meaning(&mut self, word: &str, line: u64) -> StatusMeaning {
        if let Some(seen) = self.seen.get_mut(word) {
            seen.rows += 1;
            if seen.lines.len() < EXAMPLES {
                seen.lines.push(line);
            }
            return seen.meaning;
        }
        let (meaning, known) = match self.configured.get(&folded(word)) {
            Some(meaning) => (*meaning, true),
            None => known(word),
        };
        if self.seen.len() < MAX_WORDS {
            self.seen.insert(word.into(), Seen { meaning, known, rows: 1, lines: vec![line] });
        }
        meaning
    }

    /// The account of the words.
    pub fn counts(&self) -> BTreeMap<String, Status> {
        let name = |meaning| match meaning {
            StatusMeaning::Bought => "bought",
            StatusMeaning::Cancelled => "cancelled",
            StatusMeaning::Returned => "returned",
        };
        let status = |seen: &Seen| Status {
            rows: seen.rows,
            meaning: name(seen.meaning),
            known: seen.known,
            lines: seen.lines.clone(),
        };
        self.seen.iter().map(|(word, seen)| (word.to_string(), status(seen))).collect()
    }
}

/// The meaning of a word, and true if the word is in the table.
pub fn known(word: &str) -> (StatusMeaning, bool) {
    let word = folded(word);
    let is_in = |table: &[&str]| table.iter().any(|other| folded(other) == word);
    if is_in(BOUGHT) {
        return (StatusMeaning::Bought, true);
    }
    if is_in(CANCELLED) {
        return (StatusMeaning::Cancelled, true);
    }
    let has = |parts: &[&str]| parts.iter().any(|part| word.contains(part));
    if has(CANCELLED_PARTS) && !has(PARTLY) {
        (StatusMeaning::Cancelled, false)
    } else {
        (StatusMeaning::Bought, false)
    }
}

#[cfg(test)]
mod tests {
    use super::{Statuses, known};
    use crate::config::StatusMeaning::{Bought, Cancelled, Returned};

    #[test]
    fn words_of_many_systems_are_known() {
        for word in [
            "Paid",
            "交易成功",
            "已发货",
            "wc-completed",
            "TRADE_FINISHED",
            "partially_refunded",
            "Bezahlt",
            "구매확정",
        ] {
            assert_eq!(known(word), (Bought, true), "{word}");
        }
        for word in [
            "CANCELED",
            "交易关闭",
            "退款成功",
            "voided",
            "REFUND",
            "待付款",
            "storniert",
            "キャンセル",
            "취소완료",
        ] {
            assert_eq!(known(word), (Cancelled, true), "{word}");
        }
    }

    #[test]
    fn unknown_words_count_as_bought_unless_a_part_says_otherwise() {
        assert_eq!(known("gift wrapped"), (Bought, false));
        assert_eq!(known("已取消(超时)"), (Cancelled, false));
        assert_eq!(known("cancelled in part, partially"), (Bought, false));
    }

    #[test]
    fn configured_words_go_first_and_all_are_counted() {
        let configured = [("Pending".to_owned(), Cancelled), ("RMA".to_owned(), Returned)].into();
        let mut statuses = Statuses::new(&configured);
        assert_eq!(
            ["pending", "rma", "paid", "odd", "odd"].map(|word| statuses.meaning(word, 2)),
            [Cancelled, Returned, Bought, Bought, Bought]
        );
        let counts = statuses.counts();
        assert_eq!((counts["odd"].rows, counts["odd"].known, counts["pending"].known), (2, false, true));
    }
}
